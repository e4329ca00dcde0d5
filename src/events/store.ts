import type { Storage, Transaction } from '../storage/storage.ts'
import { createAppend } from './append.ts'
import type { EventType, ReplyEvent } from './event.ts'

type Unnumbered = Omit<ReplyEvent, 'sequence'>

/** The SQL of the event log. */
export function createEventStore(storage: Storage) {
  const { insert, insertFenced } = createAppend(storage)

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

  /**
   * Adds an event behind all that is in a log, where somebody else may be writing: waits for who came first, and who
   * comes after finds its place taken. Resolves with its sequence.
   */
  async function insertBehind(tx: Transaction, log: number, event: Unnumbered, now: number): Promise<number> {
    for (;;) {
      const sequence = (await lastSequence(tx, log)) + 1
      const { type, data: data_json } = event
      const { numInsertedOrUpdatedRows = 0n } = await tx
        .insertInto('events')
        .values({ log, sequence, type, data_json, created_at: now })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst()
      if (numInsertedOrUpdatedRows > 0n) return sequence
    }
  }

  /** All that is in a log, or all behind an event of it. */
  async function whole(tx: Transaction, log: number, after = 0): Promise<ReplyEvent[]> {
    const rows = await tx
      .selectFrom('events')
      .select(['sequence', 'type', 'data_json as data'])
      .where('log', '=', log)
      .where('sequence', '>', after)
      .orderBy('sequence')
      .execute()
    return rows as Array<(typeof rows)[number] & { type: EventType }>
  }

  /** The sequence of the last event of each reply that is there; 0 where it has none. */
  async function lastSequences(replyIds: string[]): Promise<Map<string, number>> {
    const rows = await storage.db
      .selectFrom('replies')
      .select(({ selectFrom }) => [
        'replies.id',
        selectFrom('events')
          .select(({ fn }) => fn.max('sequence').as('last'))
          .whereRef('events.log', '=', 'replies.log')
          .as('last'),
      ])
      .where('replies.id', 'in', replyIds)
      .execute()
    return new Map(rows.map(({ id, last }) => [id, last ?? 0]))
  }

  const selectReply = storage.prepare((db, given: { replyId: string }) =>
    db.selectFrom('replies').select('log').where('id', '=', given.replyId),
  )

  /** Whether there is such a reply. */
  async function isThere(replyId: string): Promise<boolean> {
    const { rows } = await selectReply(storage.db, { replyId })
    return rows.length > 0
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
    // Logs are numbered as time goes by, too. Without both ends to them, everything that is kept would be read to
    // find nothing, and every reply whose events are long gone.
    const first = await storage.db
      .selectFrom('events')
      .select('log')
      .orderBy('log')
      .limit(1)
      .executeTakeFirst()
    if (!first) return []
    const firstKept = await storage.db
      .selectFrom('replies')
      .select('log')
      .where('id', '>=', firstKeptId)
      .orderBy('id')
      .limit(1)
      .executeTakeFirst()
    const rows = await storage.db
      .selectFrom('replies')
      .select('log')
      .where('log', '>=', first.log)
      .where('log', '<', firstKept?.log ?? Number.MAX_SAFE_INTEGER)
      .where('id', '<', firstKeptId)
      .where('completed_at', 'is not', null)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('events')
            .select('sequence')
            .whereRef('events.log', '=', 'replies.log')
            // Says nothing, but has PostgreSQL ask for each reply, instead of reading the events of all of them.
            .limit(1)
            .offset(0),
        ),
      )
      .orderBy('log')
      .limit(limit)
      .execute()
    return rows.map(({ log }) => log)
  }

  async function remove(tx: Transaction, logs: number[]): Promise<void> {
    await tx.deleteFrom('events').where('log', 'in', logs).execute()
  }

  return {
    insert,
    insertFenced,
    insertBehind,
    whole,
    lastSequence,
    lastSequences,
    isThere,
    read,
    endedBefore,
    remove,
  }
}

export type EventStore = ReturnType<typeof createEventStore>
