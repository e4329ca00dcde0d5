import type { Metadata, Role } from '../interactions/interaction.ts'
import { type Page, pageOf, type PageRequest, readingOrder } from '../paging.ts'
import type { MessageRow, ReplyRow } from '../storage/schema.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import type { ContentPart } from './content.ts'
import type { Making, Message, MessageStatus, Usage } from './message.ts'

type Joined = Omit<MessageRow, 'tokens'> &
  ({
    [Column in keyof typeof makingColumns]: ReplyRow[Column] | null
  } & { status: string | null })

const messageColumns = [
  'messages.id',
  'messages.interaction_id',
  'messages.position',
  'messages.branch',
  'messages.role',
  'messages.content_json',
  'messages.metadata_json',
  'messages.created_at',
  'messages.updated_at',
] as const

const makingColumns = {
  status: 'replies.status',
  model: 'replies.model',
  attempt: 'replies.attempt',
  finish_reason: 'replies.finish_reason',
  usage_json: 'replies.usage_json',
  error_json: 'replies.error_json',
  completed_at: 'replies.completed_at',
} as const

/** The SQL of messages. How a message is coming along is read from `replies`, which only that room writes. */
export function createMessageStore(storage: Storage) {
  const columns = [...messageColumns, ...Object.values(makingColumns)] as const

  const insertOne = storage.prepare((db, row: MessageRow) =>
    db.insertInto('messages').values({
      id: row.id,
      interaction_id: row.interaction_id,
      position: row.position,
      role: row.role,
      content_json: row.content_json,
      metadata_json: row.metadata_json,
      tokens: row.tokens,
      branch: row.branch,
      created_at: row.created_at,
      updated_at: row.updated_at,
    }),
  )

  async function insert(tx: Transaction, message: Message, tokens: number): Promise<void> {
    await insertOne(tx, {
      id: message.id,
      interaction_id: message.interactionId,
      position: message.position,
      role: message.role,
      content_json: JSON.stringify(message.content),
      metadata_json: JSON.stringify(message.metadata),
      tokens,
      branch: message.branch,
      created_at: message.createdAt,
      updated_at: message.updatedAt,
    })
  }

  const selectOne = storage.prepare((db, given: { id: string; ownerId: string }) =>
    db
      .selectFrom('messages')
      .innerJoin('interactions', 'interactions.id', 'messages.interaction_id')
      .leftJoin('replies', 'replies.id', 'messages.id')
      .select(columns)
      .where('messages.id', '=', given.id)
      .where('interactions.owner_id', '=', given.ownerId),
  )

  async function find(on: Database | Transaction, ownerId: string, id: string) {
    const { rows } = await selectOne(on, { id, ownerId })
    return rows[0] && fromRow(rows[0])
  }

  const selectFirstMade = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('messages')
      .innerJoin('replies', 'replies.id', 'messages.id')
      .select(columns)
      .where('messages.interaction_id', '=', given.interactionId)
      .orderBy('messages.position')
      .limit(1),
  )

  async function firstMade(interactionId: string): Promise<Message | undefined> {
    const { rows } = await selectFirstMade(storage.db, { interactionId })
    return rows[0] && fromRow(rows[0])
  }

  /** The name of the cursor, where one of `request` is no message of the interaction. */
  async function list(
    interactionId: string,
    request: PageRequest,
  ): Promise<Page<Message> | 'after' | 'before'> {
    const { limit, order, after, before } = request
    const positions = await positionsOf(interactionId, [after, before])
    if (after !== undefined && !positions.has(after)) return 'after'
    if (before !== undefined && !positions.has(before)) return 'before'
    const [behind, inFront] = order === 'asc' ? (['>', '<'] as const) : (['<', '>'] as const)
    let query = storage.db
      .selectFrom('messages')
      .leftJoin('replies', 'replies.id', 'messages.id')
      .select(columns)
      .where('messages.interaction_id', '=', interactionId)
      .orderBy('messages.position', readingOrder(request))
      .limit(limit + 1)
    if (after !== undefined) query = query.where('messages.position', behind, positions.get(after) ?? 0)
    if (before !== undefined) query = query.where('messages.position', inFront, positions.get(before) ?? 0)
    const page = pageOf(await query.execute(), request)
    return { ...page, data: page.data.map((row) => fromRow(row)) }
  }

  async function positionsOf(interactionId: string, cursors: Array<string | undefined>) {
    const ids = cursors.filter((id) => id !== undefined)
    if (ids.length === 0) return new Map<string, number>()
    const rows = await storage.db
      .selectFrom('messages')
      .select(['id', 'position'])
      .where('id', 'in', ids)
      .where('interaction_id', '=', interactionId)
      .execute()
    return new Map(rows.map(({ id, position }) => [id, position]))
  }

  async function update(tx: Transaction, message: Message, tokens: number): Promise<void> {
    await tx
      .updateTable('messages')
      .set({
        content_json: JSON.stringify(message.content),
        metadata_json: JSON.stringify(message.metadata),
        tokens,
        updated_at: message.updatedAt,
      })
      .where('id', '=', message.id)
      .execute()
  }

  const setContent = storage.prepare(
    (db, given: { id: string; content: string; tokens: number; now: number }) =>
      db
        .updateTable('messages')
        .set({ content_json: given.content, tokens: given.tokens, updated_at: given.now })
        .where('id', '=', given.id),
  )

  /** Writes what a reply came to be. */
  async function writeContent(
    tx: Transaction,
    given: { id: string; content: ContentPart[]; tokens: number; now: number },
  ): Promise<void> {
    await setContent(tx, { ...given, content: JSON.stringify(given.content) })
  }

  /** The id of the message at a position; undefined where it was deleted. */
  async function idAt(tx: Transaction, interactionId: string, position: number): Promise<string | undefined> {
    const row = await tx
      .selectFrom('messages')
      .select('id')
      .where('interaction_id', '=', interactionId)
      .where('position', '=', position)
      .executeTakeFirst()
    return row?.id
  }

  async function remove(tx: Transaction, id: string): Promise<void> {
    await tx.deleteFrom('messages').where('id', '=', id).execute()
  }

  return { insert, find, firstMade, list, update, writeContent, idAt, remove }
}

export type MessageStore = ReturnType<typeof createMessageStore>

function fromRow(row: Joined): Message {
  return {
    id: row.id,
    interactionId: row.interaction_id,
    position: row.position,
    branch: row.branch,
    role: row.role as Role,
    content: JSON.parse(row.content_json) as ContentPart[],
    metadata: JSON.parse(row.metadata_json) as Metadata,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    making: makingOf(row),
  }
}

function makingOf(row: Joined): Making | null {
  if (row.status === null) return null
  return {
    status: row.status as MessageStatus,
    model: row.model ?? '',
    attempt: row.attempt ?? 0,
    finishReason: row.finish_reason,
    usage: row.usage_json === null ? null : (JSON.parse(row.usage_json) as Usage),
    error: row.error_json === null ? null : (JSON.parse(row.error_json) as NonNullable<Making['error']>),
    completedAt: row.completed_at,
  }
}
