import { type QueryCreator, sql } from 'kysely'
import type { Schema } from '../storage/schema.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
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
   * has taken over is left out. May throw where that happens just then; not where it is done `again` for that.
   */
  insertFenced(tx: Transaction, batches: Batch[], now: number, again: boolean): Promise<Set<number>>
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
 * One statement for all rows of all replies. No lock is needed: whoever takes a reply over, cancels or removes it
 * writes the next sequence, so that an attempt that did not notice meets the unique index. Then all is written again,
 * around what is there: that costs half as much again, but nobody's events wait until nobody is in anybody's way.
 */
function appendTogether(storage: Storage): Append {
  const insertOwn = storage.prepare((db, given: Columns) =>
    db
      .insertInto('events')
      .columns(columns)
      .expression((from) => from.selectFrom(rowsOf(given)).select(valuesOf(given))),
  )

  const insertAll = storage.prepare((db, given: Columns & Attempts) =>
    db
      .with('writers', (cte) => writersAmong(cte, given))
      .with('written', (cte) => insertionBy(cte, given))
      .selectFrom('writers')
      .select('log'),
  )

  const insertAround = storage.prepare((db, given: Columns & Attempts) =>
    db
      .with('writers', (cte) => writersAmong(cte, given))
      .with('written', (cte) =>
        insertionBy(cte, given)
          .onConflict((conflict) => conflict.doNothing())
          .returning(['log', 'sequence']),
      )
      .selectFrom('written')
      .select(['log', 'sequence']),
  )

  /** All of a batch, or nothing of it. */
  async function insertWhereFree(tx: Transaction, batches: Batch[], given: Columns & Attempts) {
    const { rows } = await insertAround(tx, given)
    const sequences = Map.groupBy(rows, ({ log }) => log)
    const written = new Set<number>()
    for (const { log, events } of batches) {
      const own = sequences.get(log)?.map(({ sequence }) => sequence) ?? []
      if (own.length === events.length) written.add(log)
      else if (own.length > 0) await remove(tx, log, own)
    }
    return written
  }

  async function remove(tx: Transaction, log: number, sequences: number[]) {
    await tx.deleteFrom('events').where('log', '=', log).where('sequence', 'in', sequences).execute()
  }

  return {
    async insert(tx, log, events, now) {
      if (events.length > 0) await insertOwn(tx, columnsOf([{ log, events }], now))
    },
    async insertFenced(tx, batches, now, again) {
      const given = {
        ...columnsOf(batches, now),
        ids: batches.map(({ replyId }) => replyId),
        attempts: batches.map(({ attempt }) => attempt),
      }
      if (again) return insertWhereFree(tx, batches, given)
      const { rows } = await insertAll(tx, given)
      return new Set(rows.map(({ log }) => log))
    },
  }
}

interface Columns {
  logs: number[]
  sequences: number[]
  types: string[]
  data: string[]
  now: number
}

interface Attempts {
  ids: string[]
  attempts: number[]
}

const columns = ['log', 'sequence', 'type', 'data_json', 'created_at'] as const

/** The logs of those attempts that may still write. */
function writersAmong(db: Pick<Database, 'selectFrom'>, { ids, attempts }: Attempts) {
  return db
    .selectFrom(
      sql<{
        id: string
        attempt: number
      }>`unnest(${ids}::uuid[], ${attempts}::int[])`.as<'given'>(sql`given(id, attempt)`),
    )
    .innerJoin('replies', (join) =>
      join.onRef('replies.id', '=', 'given.id').onRef('replies.attempt', '=', 'given.attempt'),
    )
    .where('replies.status', '=', 'in_progress')
    .select('replies.log')
}

function insertionBy(db: QueryCreator<Schema & { writers: { log: number } }>, given: Columns) {
  return db
    .insertInto('events')
    .columns(columns)
    .expression((from) =>
      from.selectFrom(rowsOf(given)).innerJoin('writers', 'writers.log', 'new.log').select(valuesOf(given)),
    )
}

function rowsOf({ logs, sequences, types, data }: Columns) {
  return sql<{ log: number; sequence: number; type: string; data: string }>`
    unnest(${logs}::bigint[], ${sequences}::bigint[], ${types}::text[], ${data}::text[])`.as<'new'>(
    sql`new(log, sequence, type, data)`,
  )
}

function valuesOf({ now }: Columns) {
  return ['new.log', 'new.sequence', 'new.type', 'new.data', sql<number>`${now}::bigint`.as('at')] as const
}

function columnsOf(batches: Array<Pick<Batch, 'log' | 'events'>>, now: number): Columns {
  const rows = batches.flatMap(({ log, events }) => events.map((event) => ({ log, ...event })))
  return {
    logs: rows.map(({ log }) => log),
    sequences: rows.map(({ sequence }) => sequence),
    types: rows.map(({ type }) => type),
    data: rows.map(({ data }) => data),
    now,
  }
}
