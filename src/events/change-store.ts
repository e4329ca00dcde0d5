import type { ChangeRow } from '../storage/schema.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { Change } from './change.ts'

/** How far an interaction is: its last position, and the number of its last change. */
export interface Head {
  position: number
  change: number
}

/** The SQL of changes. */
export function createChangeStore(storage: Storage) {
  /** Holds interactions until the transaction ends; in one order, so that no two who want the same wait for each other. */
  async function hold(tx: Transaction, interactionIds: string[]): Promise<void> {
    // In SQLite a transaction that writes holds everything.
    if (storage.engine !== 'postgres' || interactionIds.length === 0) return
    await tx
      .selectFrom('interactions')
      .select('id')
      .where('id', 'in', interactionIds)
      .orderBy('id')
      .forUpdate()
      .execute()
  }

  /** Takes the next number; whoever posts or changes something meanwhile waits, so that what is seen has no gaps. */
  async function raise(tx: Transaction, interactionId: string): Promise<Head | undefined> {
    return tx
      .updateTable('interactions')
      .set(({ eb }) => ({ last_change: eb('last_change', '+', 1) }))
      .where('id', '=', interactionId)
      .returning(['last_position as position', 'last_change as change'])
      .executeTakeFirst()
  }

  async function insert(tx: Transaction, row: ChangeRow): Promise<void> {
    await tx.insertInto('changes').values(row).execute()
  }

  const selectHead = storage.prepare((db, given: { id: string }) =>
    db
      .selectFrom('interactions')
      .select(['last_position as position', 'last_change as change'])
      .where('id', '=', given.id),
  )

  /** Undefined where there is no such interaction (any more). */
  async function headOf(id: string): Promise<Head | undefined> {
    const { rows } = await selectHead(storage.db, { id })
    return rows[0]
  }

  async function headsOf(ids: string[]): Promise<Map<string, Head>> {
    const rows = await storage.db
      .selectFrom('interactions')
      .select(['id', 'last_position as position', 'last_change as change'])
      .where('id', 'in', ids)
      .execute()
    return new Map(rows.map(({ id, ...head }) => [id, head]))
  }

  const selectAfter = storage.prepare(
    (db, given: { interactionId: string; after: number; to: number; limit: number }) =>
      db
        .selectFrom('changes')
        .select(['sequence', 'position', 'type', 'data_json'])
        .where('interaction_id', '=', given.interactionId)
        .where('sequence', '>', given.after)
        .where('sequence', '<=', given.to)
        .orderBy('sequence')
        .limit(given.limit),
  )

  /** The changes of an interaction behind `after`, up to `to`, in their order. */
  async function read(
    interactionId: string,
    { after, to, limit }: { after: number; to: number; limit: number },
  ): Promise<Change[]> {
    const { rows } = await selectAfter(storage.db, { interactionId, after, to, limit })
    return rows.map(({ data_json, ...row }) => ({ ...row, data: JSON.parse(data_json) as unknown }) as Change)
  }

  /** Whether one of the changes up to `to` says that the log of a reply goes on behind `afterEvent`. */
  async function wasRequeued(given: {
    interactionId: string
    to: number
    position: number
    afterEvent: number
  }): Promise<boolean> {
    const rows = await storage.db
      .selectFrom('changes')
      .select('data_json')
      .where('interaction_id', '=', given.interactionId)
      .where('sequence', '<=', given.to)
      .where('type', '=', 'reply.requeued')
      .execute()
    return rows.some(({ data_json }) => {
      const { position, after_event } = JSON.parse(data_json) as { position: number; after_event: number }
      return position === given.position && after_event === given.afterEvent
    })
  }

  /** Removes at most `limit` changes that are older than `firstKeptId`, and resolves with their number. */
  async function removeBefore(tx: Transaction, firstKeptId: string, limit: number): Promise<number> {
    const rows = await tx
      .selectFrom('changes')
      .select('id')
      .where('id', '<', firstKeptId)
      .orderBy('id')
      .limit(limit)
      .execute()
    const [first, last] = [rows.at(0), rows.at(-1)]
    if (!first || !last) return 0
    // By both ends of their range: else PostgreSQL takes so many for most of the table, and reads all of it.
    await tx.deleteFrom('changes').where('id', '>=', first.id).where('id', '<=', last.id).execute()
    return rows.length
  }

  return { hold, raise, insert, headOf, headsOf, read, wasRequeued, removeBefore }
}
