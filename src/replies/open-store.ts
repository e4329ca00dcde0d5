import { sql } from 'kysely'
import type { ReplyRow } from '../storage/schema.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import type { Course, Tried } from './failover.ts'
import { modelsOf, optionsFromJson, type ReplyOptions, saidFor } from './options.ts'

/** An open reply that waits for a worker. */
export type WaitingReply = Pick<OpenReply, 'interactionId' | 'model' | 'notBefore'>

export interface OpenReply extends Course {
  id: string
  interactionId: string
  position: number
  branch: number
  options: ReplyOptions
  status: 'queued' | 'in_progress'
  attempt: number
  crashes: number
  notBefore: number | null
  /** Since when it waits for a provider that may not be asked. */
  waitingSince: number | null
  /** When it may ask its provider, as was agreed. */
  slotAt: number | null
}

const openColumns = [
  'id',
  'interaction_id',
  'position',
  'branch',
  'model',
  'options_json',
  'status',
  'attempt',
  'crashes',
  'failures',
  'throttles',
  'tried_json',
  'not_before',
  'waiting_since',
  'slot_at',
] as const

/** In literals, as the partial indices have it: a query with parameters could not use them. */
export const isOpen = sql<boolean>`status in ('queued', 'in_progress')`

/** The SQL of replies that are open: whose turn it is, and how many wait. It only reads. */
export function createOpenReplyStore(storage: Storage) {
  const selectNext = storage.prepare(
    (db, given: { interactionId: string }) =>
      db
        .selectFrom('replies')
        .select(openColumns)
        .where('interaction_id', '=', given.interactionId)
        .where(isOpen)
        .orderBy('position')
        .limit(2),
    { beforeDurable: true },
  )

  /** The oldest open reply of an interaction, the one whose turn it is, and whether others wait behind it. */
  async function nextOpen(
    interactionId: string,
  ): Promise<{ reply: OpenReply | undefined; hasMore: boolean }> {
    const { rows } = await selectNext(storage.db, { interactionId })
    return { reply: rows[0] && toOpenReply(rows[0]), hasMore: rows.length > 1 }
  }

  const selectOldest = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('replies')
      .select('position')
      .where('interaction_id', '=', given.interactionId)
      .where(isOpen)
      .orderBy('position')
      .limit(1),
  )

  /**
   * Whether more than `limit` replies in front of `position` are open: the one that is being made, and those that
   * wait for it. Counts only where so many can be: counting takes longer the more there are.
   */
  async function hasMoreOpenThan(
    tx: Transaction,
    limit: number,
    { interactionId, position }: { interactionId: string; position: number },
  ): Promise<boolean> {
    if (position <= limit) return false
    const { rows } = await selectOldest(tx, { interactionId })
    const [oldest] = rows
    if (!oldest || position - oldest.position <= limit) return false
    return (await countOpen(tx, interactionId)) > limit
  }

  const selectOpenCount = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('replies')
      .select(({ fn }) => fn.countAll<number>().as('open'))
      .where('interaction_id', '=', given.interactionId)
      .where(isOpen),
  )

  async function countOpen(tx: Transaction, interactionId: string): Promise<number> {
    const { rows } = await selectOpenCount(tx, { interactionId })
    return Number(rows[0]?.open)
  }

  /**
   * The oldest open reply of each interaction behind `afterInteraction`, at most `limit` of them; only those
   * that nothing has changed since `untouchedSince`.
   */
  async function openInteractions(given: {
    afterInteraction: string
    untouchedSince: number
    limit: number
  }): Promise<OpenReply[]> {
    const rows = await storage.db
      .selectFrom('replies as reply')
      .select(openColumns)
      .where('interaction_id', '>', given.afterInteraction)
      .where('updated_at', '<=', given.untouchedSince)
      .where(isOpen)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('replies as older')
              .select('older.id')
              .whereRef('older.interaction_id', '=', 'reply.interaction_id')
              .whereRef('older.position', '<', 'reply.position')
              .where(sql<boolean>`older.status in ('queued', 'in_progress')`),
          ),
        ),
      )
      .orderBy('interaction_id')
      .limit(given.limit)
      .execute()
    return rows.map((row) => toOpenReply(row))
  }

  /** The interactions in which `node` makes an answer. */
  async function interactionsOfNode(node: number): Promise<string[]> {
    const rows = await storage.db
      .selectFrom('replies')
      .select('interaction_id')
      .where('node', '=', node)
      // For the partial index, which has the condition in these words.
      .where(isOpen)
      .where('status', '=', 'in_progress')
      .execute()
    return rows.map(({ interaction_id }) => interaction_id)
  }

  /**
   * The open replies of an interaction, oldest first, which nobody else ends before the transaction does, and how many
   * messages were said for each.
   */
  async function lockOpen(tx: Transaction, interactionId: string) {
    const rows = await tx
      .selectFrom('replies')
      .select(['id', 'branch', 'position', 'options_json'])
      .where('interaction_id', '=', interactionId)
      .where(isOpen)
      .orderBy('position')
      .$if(storage.engine === 'postgres', (query) => query.forUpdate())
      .execute()
    return rows.map(({ options_json, ...reply }) => {
      const options = optionsFromJson(options_json)
      return { ...reply, said: saidFor(options), isAside: options.isAside === true }
    })
  }

  /** A reply as it waits; undefined where there is no such one that is open. */
  async function waiting(tx: Transaction, id: string): Promise<WaitingReply | undefined> {
    return tx
      .selectFrom('replies')
      .select(['interaction_id as interactionId', 'model', 'not_before as notBefore'])
      .where('id', '=', id)
      .where(isOpen)
      .executeTakeFirst()
  }

  /** What a reply was asked beyond its interaction; undefined where there is no such reply (any more). */
  async function optionsOf(
    id: string,
    on: Database | Transaction = storage.db,
  ): Promise<ReplyOptions | undefined> {
    const row = await on.selectFrom('replies').select('options_json').where('id', '=', id).executeTakeFirst()
    return row && optionsFromJson(row.options_json)
  }

  /** Those of `ids` that are open. */
  async function openAmong(ids: string[]): Promise<Set<string>> {
    const rows = await storage.db
      .selectFrom('replies')
      .select('id')
      .where('id', 'in', ids)
      .where(isOpen)
      .execute()
    return new Set(rows.map(({ id }) => id))
  }

  return {
    nextOpen,
    hasMoreOpenThan,
    openInteractions,
    interactionsOfNode,
    openAmong,
    optionsOf,
    waiting,
    lockOpen,
  }
}

function toOpenReply(row: Pick<ReplyRow, (typeof openColumns)[number]>): OpenReply {
  const options = optionsFromJson(row.options_json)
  return {
    id: row.id,
    interactionId: row.interaction_id,
    position: row.position,
    branch: row.branch,
    model: row.model,
    models: modelsOf(options, row.model),
    options,
    status: row.status === 'in_progress' ? 'in_progress' : 'queued',
    attempt: row.attempt,
    crashes: row.crashes,
    failures: row.failures,
    throttles: row.throttles,
    tried: triedFromJson(row.tried_json),
    notBefore: row.not_before,
    waitingSince: row.waiting_since,
    slotAt: row.slot_at,
  }
}

export function triedFromJson(json: string | null): Tried[] {
  return json === null ? [] : (JSON.parse(json) as Tried[])
}
