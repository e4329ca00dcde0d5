import { sql } from 'kysely'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { ReplyEvent } from './event.ts'

/** New events of one attempt at a reply. */
export interface Batch {
  replyId: string
  attempt: number
  log: number
  events: ReplyEvent[]
}

/** Writing to the log: where the engines differ most, because a round trip costs what ten rows cost on the other. */
export interface Append {
  /** Adds events to a log whose claim the transaction holds. */
  insert(tx: Transaction, log: number, events: ReplyEvent[], now: number): Promise<void>
  /**
   * Adds the events of those attempts that may still write, and resolves with their logs. What another attempt
   * has taken over is left out.
   */
  insertFenced(tx: Transaction, batches: Batch[], now: number): Promise<Set<number>>
}

export function createAppend(storage: Storage): Append {
  return storage.engine === 'postgres' ? appendTogether(storage) : appendOneByOne(storage)
}

/** One prepared statement for each row: on SQLite that is the fastest, and nothing comes between them. */
function appendOneByOne(storage: Storage): Append {
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
  const selectWriter = storage.prepare((db, given: { replyId: string; attempt: number }) =>
    db
      .selectFrom('replies')
      .select('id')
      .where('id', '=', given.replyId)
      .where('attempt', '=', given.attempt)
      .where('status', '=', 'in_progress'),
  )

  async function insert(tx: Transaction, log: number, events: ReplyEvent[], now: number) {
    for (const { sequence, type, data } of events) await insertOne(tx, { log, sequence, type, data, now })
  }

  async function insertFenced(tx: Transaction, batches: Batch[], now: number) {
    const written = new Set<number>()
    for (const { replyId, attempt, log, events } of batches) {
      const { rows } = await selectWriter(tx, { replyId, attempt })
      if (rows.length === 0) continue
      await insert(tx, log, events, now)
      written.add(log)
    }
    return written
  }

  return { insert, insertFenced }
}

/**
 * One statement for all rows of all replies. No lock is needed: whoever takes a reply over writes the next
 * sequence as it claims it, so that an attempt that did not notice meets the unique index, and is run again.
 */
function appendTogether(storage: Storage): Append {
  const insertAll = storage.prepare(
    (
      db,
      given: {
        ids: string[]
        attempts: number[]
        logs: number[]
        sequences: number[]
        types: string[]
        data: string[]
        now: number
      },
    ) =>
      db
        .with('writers', (cte) =>
          cte
            .selectFrom(
              sql<{
                id: string
                attempt: number
              }>`unnest(${given.ids}::uuid[], ${given.attempts}::int[])`.as<'given'>(sql`given(id, attempt)`),
            )
            .innerJoin('replies', (join) =>
              join.onRef('replies.id', '=', 'given.id').onRef('replies.attempt', '=', 'given.attempt'),
            )
            .where('replies.status', '=', 'in_progress')
            .select('replies.log'),
        )
        .with('written', (cte) =>
          cte
            .insertInto('events')
            .columns(['log', 'sequence', 'type', 'data_json', 'created_at'])
            .expression((from) =>
              from
                .selectFrom(rowsOf(given))
                .innerJoin('writers', 'writers.log', 'new.log')
                .select([
                  'new.log',
                  'new.sequence',
                  'new.type',
                  'new.data',
                  sql<number>`${given.now}::bigint`.as('at'),
                ]),
            )
            .returning('log'),
        )
        .selectFrom('writers')
        .select('log'),
  )

  const insertOwn = storage.prepare(
    (db, given: { logs: number[]; sequences: number[]; types: string[]; data: string[]; now: number }) =>
      db
        .insertInto('events')
        .columns(['log', 'sequence', 'type', 'data_json', 'created_at'])
        .expression((from) =>
          from
            .selectFrom(rowsOf(given))
            .select([
              'new.log',
              'new.sequence',
              'new.type',
              'new.data',
              sql<number>`${given.now}::bigint`.as('at'),
            ]),
        ),
  )

  return {
    async insert(tx, log, events, now) {
      if (events.length > 0) await insertOwn(tx, { ...columnsOf([{ log, events }]), now })
    },
    async insertFenced(tx, batches, now) {
      const { rows } = await insertAll(tx, {
        ids: batches.map(({ replyId }) => replyId),
        attempts: batches.map(({ attempt }) => attempt),
        ...columnsOf(batches),
        now,
      })
      return new Set(rows.map(({ log }) => log))
    },
  }
}

function rowsOf(given: { logs: number[]; sequences: number[]; types: string[]; data: string[] }) {
  return sql<{ log: number; sequence: number; type: string; data: string }>`
    unnest(${given.logs}::bigint[], ${given.sequences}::bigint[], ${given.types}::text[], ${given.data}::text[])`.as<'new'>(
    sql`new(log, sequence, type, data)`,
  )
}

function columnsOf(batches: Array<Pick<Batch, 'log' | 'events'>>) {
  const rows = batches.flatMap(({ log, events }) => events.map((event) => ({ log, ...event })))
  return {
    logs: rows.map(({ log }) => log),
    sequences: rows.map(({ sequence }) => sequence),
    types: rows.map(({ type }) => type),
    data: rows.map(({ data }) => data),
  }
}
