import type { Storage, Transaction } from '../storage/storage.ts'
import type { EventType, ReplyEvent } from './event.ts'

/** The SQL of the event log. */
export function createEventStore(storage: Storage) {
  const insertOne = storage.prepare(
    (db, row: { replyId: string; sequence: number; type: string; data: string; now: number }) =>
      db.insertInto('events').values({
        reply_id: row.replyId,
        sequence: row.sequence,
        type: row.type,
        data_json: row.data,
        created_at: row.now,
      }),
  )

  async function insert(tx: Transaction, replyId: string, events: ReplyEvent[], now: number): Promise<void> {
    for (const { sequence, type, data } of events) {
      // In order: one connection, one statement after the other.
      await insertOne(tx, { replyId, sequence, type, data, now })
    }
  }

  const selectWriter = storage.prepare((db, given: { replyId: string; attempt: number }) =>
    db
      .selectFrom('replies')
      .select('id')
      .where('id', '=', given.replyId)
      .where('attempt', '=', given.attempt)
      .where('status', '=', 'in_progress'),
  )

  /** Whether `attempt` may still write; holds until the transaction ends. */
  async function isWriter(tx: Transaction, replyId: string, attempt: number): Promise<boolean> {
    const { rows } = await selectWriter(tx, { replyId, attempt })
    return rows.length > 0
  }

  const selectAfter = storage.prepare((db, given: { replyId: string; after: number; limit: number }) =>
    db
      .selectFrom('events')
      .select(['sequence', 'type', 'data_json as data'])
      .where('reply_id', '=', given.replyId)
      .where('sequence', '>', given.after)
      .orderBy('sequence')
      .limit(given.limit),
  )

  async function read(replyId: string, after: number, limit: number): Promise<ReplyEvent[]> {
    const { rows } = await selectAfter(storage.db, { replyId, after, limit })
    return rows as Array<(typeof rows)[number] & { type: EventType }>
  }

  const selectLast = storage.prepare((db, given: { replyId: string }) =>
    db
      .selectFrom('events')
      .select('sequence')
      .where('reply_id', '=', given.replyId)
      .orderBy('sequence', 'desc')
      .limit(1),
  )

  /** 0 where the log is empty. */
  async function lastSequence(tx: Transaction, replyId: string): Promise<number> {
    const { rows } = await selectLast(tx, { replyId })
    return rows[0]?.sequence ?? 0
  }

  return { insert, isWriter, read, lastSequence }
}

export type EventStore = ReturnType<typeof createEventStore>
