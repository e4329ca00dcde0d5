import type { ExpressionBuilder } from 'kysely'
import type { Role } from '../interactions/interaction.ts'
import type { MessageRow, Schema } from '../storage/schema.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import type { ContentPart } from './content.ts'
import type { Message } from './message.ts'
import type { Place } from './path.ts'
import { createPathStore } from './path-store.ts'
import { columns, fromRow } from './row.ts'

/** The one in front of a message on its branch; null for the first one of that. */
function previousId(eb: ExpressionBuilder<Schema, 'messages'>) {
  return eb
    .selectFrom('messages as previous')
    .select('previous.id')
    .whereRef('previous.interaction_id', '=', 'messages.interaction_id')
    .whereRef('previous.branch', '=', 'messages.branch')
    .whereRef('previous.position', '<', 'messages.position')
    .orderBy('previous.position', 'desc')
    .limit(1)
    .as('parent_id')
}

/** The SQL of messages. How a message is coming along is read from `replies`, which only that room writes. */
export function createMessageStore(storage: Storage) {
  const along = createPathStore(storage)

  const insertion = (db: Database, row: MessageRow) =>
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
    })
  const insertBehind = storage.prepare(insertion)
  const insertOne = storage.prepare((db, row: MessageRow) => insertion(db, row).returning(previousId))

  /**
   * Stores a message as it is said. Resolves with the one that it follows: its `parentId`, which is not kept, or
   * where the caller knows none, the newest one in front of it.
   */
  async function insert(tx: Transaction, message: Message, tokens: number): Promise<string | null> {
    const row = {
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
    }
    if (message.parentId !== null) {
      await insertBehind(tx, row)
      return message.parentId
    }
    const { rows } = await insertOne(tx, row)
    return rows[0]?.parent_id ?? along.acrossFork(tx, message)
  }

  const selectOne = storage.prepare((db, given: { id: string; ownerId: string }) =>
    db
      .selectFrom('messages')
      .innerJoin('interactions', 'interactions.id', 'messages.interaction_id')
      .leftJoin('replies', 'replies.id', 'messages.id')
      .select(columns)
      .select(previousId)
      .where('messages.id', '=', given.id)
      .where('interactions.owner_id', '=', given.ownerId),
  )

  async function find(on: Database | Transaction, ownerId: string, id: string) {
    const { rows } = await selectOne(on, { id, ownerId })
    const [row] = rows
    return row && withParent(on, row)
  }

  async function withParent(
    on: Database | Transaction,
    row: Awaited<ReturnType<typeof selectOne>>['rows'][number],
  ) {
    const message = fromRow(row, row.parent_id)
    return message.parentId === null ? { ...message, parentId: await along.acrossFork(on, message) } : message
  }

  const selectFirstMade = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('messages')
      .innerJoin('replies', 'replies.id', 'messages.id')
      .select(columns)
      .select(previousId)
      .where('messages.interaction_id', '=', given.interactionId)
      .orderBy('messages.position')
      .limit(1),
  )

  async function firstMade(interactionId: string): Promise<Message | undefined> {
    const { rows } = await selectFirstMade(storage.db, { interactionId })
    return rows[0] && withParent(storage.db, rows[0])
  }

  /** The next message of a branch behind a place. */
  async function messageBehind(interactionId: string, place: Place): Promise<Message | undefined> {
    const id = await along.idBehind(storage.db, interactionId, place)
    if (id === undefined) return undefined
    const { rows } = await selectById(storage.db, { id })
    return rows[0] && withParent(storage.db, rows[0])
  }

  const selectById = storage.prepare((db, given: { id: string }) =>
    db
      .selectFrom('messages')
      .leftJoin('replies', 'replies.id', 'messages.id')
      .select(columns)
      .select(previousId)
      .where('messages.id', '=', given.id),
  )

  const selectBetween = storage.prepare(
    (db, given: { interactionId: string; after: number; to: number; limit: number }) =>
      db
        .selectFrom('messages')
        .leftJoin('replies', 'replies.id', 'messages.id')
        .select(columns)
        .select(previousId)
        .where('messages.interaction_id', '=', given.interactionId)
        .where('messages.position', '>', given.after)
        .where('messages.position', '<=', given.to)
        .orderBy('messages.position')
        .limit(given.limit),
  )

  /** What was said at positions behind `after`, up to `to`, on whatever branch, in the order of posting. */
  async function between(
    interactionId: string,
    { after, to, limit }: { after: number; to: number; limit: number },
  ): Promise<Message[]> {
    const { rows } = await selectBetween(storage.db, { interactionId, after, to, limit })
    return Promise.all(rows.map((row) => withParent(storage.db, row)))
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

  /** A branch's own message at a position; undefined where there is none (any more). */
  async function at(
    tx: Transaction,
    interactionId: string,
    { branch, position }: { branch: number; position: number },
  ): Promise<Pick<Message, 'id' | 'role'> | undefined> {
    const row = await tx
      .selectFrom('messages')
      .select(['id', 'role'])
      .where('interaction_id', '=', interactionId)
      .where('branch', '=', branch)
      .where('position', '=', position)
      .executeTakeFirst()
    return row && { id: row.id, role: row.role as Role }
  }

  const selectNewest = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('messages')
      .select('id')
      .where('interaction_id', '=', given.interactionId)
      .orderBy('position', 'desc')
      .limit(1),
  )

  /** What was said last in an interaction, on whatever branch, of what is there. */
  async function newestId(tx: Transaction, interactionId: string): Promise<string | undefined> {
    const { rows } = await selectNewest(tx, { interactionId })
    return rows[0]?.id
  }

  /** What was posted together with a reply, right in front of it: those of `count` messages that are there, oldest first. */
  async function idsSaidWith(tx: Transaction, reply: Message, count: number): Promise<string[]> {
    const rows = await tx
      .selectFrom('messages')
      .leftJoin('replies', 'replies.id', 'messages.id')
      .select('messages.id')
      .where('messages.interaction_id', '=', reply.interactionId)
      .where('messages.branch', '=', reply.branch)
      .where('messages.position', '>=', reply.position - count)
      .where('messages.position', '<', reply.position)
      .where('replies.id', 'is', null)
      .orderBy('messages.position')
      .execute()
    return rows.map(({ id }) => id)
  }

  /** Whether an interaction has more than `count` messages behind a position, on whatever branches. */
  async function hasMoreThan(
    tx: Transaction,
    interactionId: string,
    { count, behind }: { count: number; behind: number },
  ): Promise<boolean> {
    const rows = await tx
      .selectFrom('messages')
      .select('id')
      .where('interaction_id', '=', interactionId)
      .where('position', '>', behind)
      .limit(count + 1)
      .execute()
    return rows.length > count
  }

  /** False where it is not there any more. */
  async function remove(tx: Transaction, id: string): Promise<boolean> {
    const { numDeletedRows } = await tx.deleteFrom('messages').where('id', '=', id).executeTakeFirst()
    return numDeletedRows > 0n
  }

  return {
    ...along,
    insert,
    find,
    messageBehind,
    firstMade,
    between,
    update,
    writeContent,
    at,
    newestId,
    idsSaidWith,
    hasMoreThan,
    remove,
  }
}

export type MessageStore = ReturnType<typeof createMessageStore>
