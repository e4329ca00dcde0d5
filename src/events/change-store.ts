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
    const { numDeletedRows } = await tx
      .deleteFrom('changes')
      .where('id', 'in', ({ selectFrom }) =>
        selectFrom('changes').select('id').where('id', '<', firstKeptId).orderBy('id').limit(limit),
      )
      .executeTakeFirst()
    return Number(numDeletedRows)
  }

  return { raise, insert, headOf, headsOf, read, wasRequeued, removeBefore }
}
