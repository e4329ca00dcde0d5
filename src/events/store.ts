import type { Storage, Transaction } from '../storage/storage.ts'
import type { EventType, ReplyEvent } from './event.ts'

/** The SQL of the event log. */
export function createEventStore(storage: Storage) {
  const insertOne = storage.prepare(
    (db, row: { log: number; sequence: number; type: string; data: string; now: number }) =>
      db.insertInto('events').values({
        log: row.log,
        sequence: row.sequence,
        type: row.type,
        data_json: row.data,
        created_at: row.now,
      }),
  )

  async function insert(tx: Transaction, log: number, events: ReplyEvent[], now: number): Promise<void> {
    for (const { sequence, type, data } of events) await insertOne(tx, { log, sequence, type, data, now })
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

  const selectLast = storage.prepare((db, given: { log: number }) =>
    db
      .selectFrom('events')
      .select('sequence')
      .where('log', '=', given.log)
      .orderBy('sequence', 'desc')
      .limit(1),
  )

  /** The sequence of the last event of a log; 0 where it is empty. */
  async function lastSequence(tx: Transaction, log: number): Promise<number> {
    const { rows } = await selectLast(tx, { log })
    return rows[0]?.sequence ?? 0
  }

  const selectAfter = storage.prepare((db, given: { replyId: string; after: number; limit: number }) =>
    db
      .selectFrom('replies')
      .innerJoin('events', 'events.log', 'replies.log')
      .select(['sequence', 'type', 'data_json as data'])
      .where('replies.id', '=', given.replyId)
      .where('sequence', '>', given.after)
      .orderBy('sequence')
      .limit(given.limit),
  )

  async function read(replyId: string, after: number, limit: number): Promise<ReplyEvent[]> {
    const { rows } = await selectAfter(storage.db, { replyId, after, limit })
    return rows as Array<(typeof rows)[number] & { type: EventType }>
  }

  /** The numbers of logs that are kept, of replies that have ended and were asked for before `firstKeptId`. */
  async function endedBefore(firstKeptId: string, limit: number): Promise<number[]> {
    const rows = await storage.db
      .selectFrom('events')
      .innerJoin('replies', 'replies.log', 'events.log')
      .select('events.log')
      .distinct()
      .where('replies.id', '<', firstKeptId)
      .where('replies.completed_at', 'is not', null)
      .orderBy('events.log')
      .limit(limit)
      .execute()
    return rows.map(({ log }) => log)
  }

  async function remove(tx: Transaction, logs: number[]): Promise<void> {
    await tx.deleteFrom('events').where('log', 'in', logs).execute()
  }

  return { insert, isWriter, lastSequence, read, endedBefore, remove }
}

export type EventStore = ReturnType<typeof createEventStore>
