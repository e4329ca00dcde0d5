import { sql } from 'kysely'
import { type Page, pageOf, type PageRequest, readingOrder } from '../paging.ts'
import type { InteractionRow } from '../storage/schema.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import {
  type Interaction,
  type Metadata,
  type Origin,
  type Policy,
  type Role,
  type Sampling,
  usualPolicy,
} from './interaction.ts'
import { holding } from './search-store.ts'

/**
 * Each by its name: a statement that is planned once, and asks for all there is, fails when another version has
 * added a column.
 */
const columns = [
  'id',
  'owner_id',
  'title',
  'model',
  'fallbacks_json',
  'role',
  'prompt',
  'sampling_json',
  'policy_json',
  'metadata_json',
  'last_position',
  'current_branch',
  'origin',
  'expires_at',
  'created_at',
  'updated_at',
] as const satisfies Array<keyof InteractionRow>

/** Which interactions of an owner are meant. */
export interface InteractionFilter {
  /** Leaves out those in which nothing was said yet. */
  hasMessages?: boolean | undefined
  origin?: Origin | undefined
  model?: string | undefined
  /** Have each of these pairs. */
  metadata?: Metadata | undefined
  /** Have this somewhere in them: see `search-store.ts`. */
  text?: string | undefined
}

/** The SQL of interactions. */
export function createInteractionStore(storage: Storage) {
  async function insert(tx: Transaction, interaction: Interaction): Promise<void> {
    await tx
      .insertInto('interactions')
      .values({ ...toRow(interaction), last_position: 0 })
      .execute()
  }

  const selectOne = storage.prepare((db, given: { id: string; ownerId: string }) =>
    db
      .selectFrom('interactions')
      .select(columns)
      .where('id', '=', given.id)
      .where('owner_id', '=', given.ownerId),
  )

  async function find(on: Database | Transaction, ownerId: string, id: string) {
    const { rows } = await selectOne(on, { id, ownerId })
    return rows[0] && fromRow(rows[0])
  }

  /** Holds an interaction, as a post to it does: whoever wants both it and its replies takes it first. */
  async function lock(tx: Transaction, ownerId: string, id: string): Promise<boolean> {
    const row = await tx
      .selectFrom('interactions')
      .select('id')
      .where('id', '=', id)
      .where('owner_id', '=', ownerId)
      .$if(storage.engine === 'postgres', (query) => query.forUpdate())
      .executeTakeFirst()
    return row !== undefined
  }

  async function list(ownerId: string, request: PageRequest & InteractionFilter): Promise<Page<Interaction>> {
    const { limit, order, after, before, hasMessages, origin, model, metadata = {}, text } = request
    let query = storage.db
      .selectFrom('interactions')
      .select(columns)
      .where('owner_id', '=', ownerId)
      .where('expires_at', 'is', null)
      .orderBy('id', readingOrder(request))
      .limit(limit + 1)
    const [behind, inFront] = order === 'asc' ? (['>', '<'] as const) : (['<', '>'] as const)
    if (after) query = query.where('id', behind, after)
    if (before) query = query.where('id', inFront, before)
    if (origin) query = query.where('origin', '=', origin)
    if (model !== undefined) query = query.where('model', '=', model)
    for (const [key, value] of Object.entries(metadata)) query = query.where(metadataOf(key), '=', value)
    if (text !== undefined) query = query.where(holding(storage.engine, text))
    if (hasMessages) {
      query = query.where(({ exists, selectFrom }) =>
        exists(
          selectFrom('messages')
            .select('messages.id')
            .whereRef('interaction_id', '=', 'interactions.id')
            // Says nothing, but keeps PostgreSQL from reading all messages of all that is newer than the page.
            .limit(1)
            .offset(0),
        ),
      )
    }
    const page = pageOf(await query.execute(), request)
    return { ...page, data: page.data.map((row) => fromRow(row)) }
  }

  function metadataOf(key: string) {
    return storage.engine === 'postgres'
      ? sql<string>`metadata_json::json ->> ${key}`
      : sql<string>`(select value from json_each(metadata_json) where key = ${key})`
  }

  async function update(tx: Transaction, interaction: Interaction): Promise<void> {
    const { id, owner_id, created_at, ...changes } = toRow(interaction)
    await tx.updateTable('interactions').set(changes).where('id', '=', id).execute()
  }

  async function remove(tx: Transaction, id: string): Promise<void> {
    await tx.deleteFrom('interactions').where('id', '=', id).execute()
  }

  /** Those whose time was over before `now`, without an answer that is still being made; held by the transaction. */
  async function lockExpired(tx: Transaction, now: number, limit: number): Promise<string[]> {
    const rows = await tx
      .selectFrom('interactions')
      .select('id')
      .where('expires_at', '<', now)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('replies')
              .select('replies.id')
              .whereRef('interaction_id', '=', 'interactions.id')
              .where(sql<boolean>`status in ('queued', 'in_progress')`),
          ),
        ),
      )
      .orderBy('expires_at')
      .limit(limit)
      .$if(storage.engine === 'postgres', (query) => query.forUpdate().skipLocked())
      .execute()
    return rows.map(({ id }) => id)
  }

  const raisePosition = storage.prepare(
    (db, given: { id: string; ownerId: string; count: number; now: number }) =>
      db
        .updateTable('interactions')
        .set(({ eb }) => ({
          last_position: eb('last_position', '+', given.count),
          updated_at: given.now,
        }))
        .where('id', '=', given.id)
        .where('owner_id', '=', given.ownerId)
        .returning(columns),
  )

  async function takePositions(
    tx: Transaction,
    given: { ownerId: string; id: string; count: number; now: number },
  ) {
    const { rows } = await raisePosition(tx, given)
    const [row] = rows
    return row && { interaction: fromRow(row), firstPosition: row.last_position - given.count + 1 }
  }

  /** From now on it is kept. */
  async function keep(tx: Transaction, id: string): Promise<void> {
    await tx.updateTable('interactions').set({ expires_at: null }).where('id', '=', id).execute()
  }

  /** Makes `branch` the one that the next message belongs to. */
  async function moveTo(tx: Transaction, id: string, branch: number): Promise<void> {
    await tx.updateTable('interactions').set({ current_branch: branch }).where('id', '=', id).execute()
  }

  const selectSettings = storage.prepare(
    (db, given: { id: string }) =>
      db.selectFrom('interactions').select(['prompt', 'sampling_json']).where('id', '=', given.id),
    { beforeDurable: true },
  )

  async function settingsOf(id: string) {
    const { rows } = await selectSettings(storage.db, { id })
    const [row] = rows
    return row && { prompt: row.prompt, sampling: JSON.parse(row.sampling_json) as Sampling }
  }

  return {
    insert,
    find,
    lock,
    lockExpired,
    list,
    update,
    remove,
    takePositions,
    keep,
    moveTo,
    settingsOf,
  }
}

function toRow(interaction: Interaction): Omit<InteractionRow, 'last_position' | 'last_change'> {
  return {
    id: interaction.id,
    owner_id: interaction.ownerId,
    title: interaction.title,
    model: interaction.model,
    fallbacks_json: interaction.fallbacks.length === 0 ? null : JSON.stringify(interaction.fallbacks),
    role: interaction.role,
    prompt: interaction.prompt,
    sampling_json: JSON.stringify(interaction.sampling),
    policy_json: isUsual(interaction.policy) ? null : JSON.stringify(interaction.policy),
    metadata_json: JSON.stringify(interaction.metadata),
    current_branch: interaction.currentBranch,
    origin: interaction.origin,
    expires_at: interaction.expiresAt,
    created_at: interaction.createdAt,
    updated_at: interaction.updatedAt,
  }
}

function fromRow(row: Pick<InteractionRow, (typeof columns)[number]>): Interaction {
  return {
    id: row.id,
    ownerId: row.owner_id,
    title: row.title,
    model: row.model,
    fallbacks: row.fallbacks_json === null ? [] : (JSON.parse(row.fallbacks_json) as string[]),
    role: row.role as Role,
    prompt: row.prompt,
    sampling: JSON.parse(row.sampling_json) as Sampling,
    policy:
      row.policy_json === null
        ? usualPolicy
        : { ...usualPolicy, ...(JSON.parse(row.policy_json) as Partial<Policy>) },
    metadata: JSON.parse(row.metadata_json) as Metadata,
    currentBranch: row.current_branch,
    origin: row.origin as Origin | null,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function isUsual({ onBusy, onCrash, maxAttempts }: Policy): boolean {
  return (
    onBusy === usualPolicy.onBusy &&
    onCrash === usualPolicy.onCrash &&
    maxAttempts === usualPolicy.maxAttempts
  )
}
