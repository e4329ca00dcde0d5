import { type Selectable, sql } from 'kysely'
import { logsPerMs, type EventRow, type Schema } from '../storage/schema.ts'
import type { Storage, Transaction } from '../storage/storage.ts'

/**
 * The tables that are copied, in an order in which no row refers to one that comes later. A table that is not
 * here belongs to its own database: its migrations, the nodes that use it, the jobs of its queue, the
 * keys of requests that it answered, how often it asked its providers.
 */
export const tables = ['interactions', 'branches', 'messages', 'replies', 'events', 'changes'] as const
export type Table = (typeof tables)[number]

/** Tables whose rows have ids. */
type WithIds = Exclude<Table, 'events'>
export type Row<Name extends Table> = Selectable<Schema[Name]>

/** Below every id. */
const noId = '00000000-0000-0000-0000-000000000000'
/** Of five values each: SQLite takes 32,766 in one statement. */
const eventsPerPage = 3_000

/** The SQL of copying, the same on every engine but for the numbers of logs. */
export function createCopyStore({ engine, db }: Storage) {
  async function count(table: Table): Promise<number> {
    const { rows } = await db
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number>().as('rows'))
      .executeTakeFirstOrThrow()
    return rows
  }

  /** The id that was copied last. */
  async function lastId(table: WithIds): Promise<string | undefined> {
    const row = await db.selectFrom(table).select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
    return row?.id
  }

  /** The rows behind `after` in the order of their ids, in pages of `limit`. */
  async function* rowsOf<Name extends WithIds>(
    table: Name,
    limit: number,
    after: string = noId,
  ): AsyncGenerator<Array<Row<Name>>> {
    const withIds: WithIds = table
    for (let last = after; ;) {
      const page = await db
        .selectFrom(withIds)
        .selectAll()
        .where('id', '>', last)
        .orderBy('id')
        .limit(limit)
        .execute()
      if (page.length > 0) yield page as unknown as Array<Row<Name>>
      if (page.length < limit) return
      last = page.at(-1)?.id ?? last
    }
  }

  /** The events of some logs, in the order of log and sequence, in pages. */
  async function* eventsOf(logs: number[]): AsyncGenerator<EventRow[]> {
    for (let last = { log: -1, sequence: 0 }; ;) {
      const { log, sequence } = last
      const page = await db
        .selectFrom('events')
        .selectAll()
        .where('log', 'in', logs)
        .where(({ eb, refTuple, tuple }) => eb(refTuple('log', 'sequence'), '>', tuple(log, sequence)))
        .orderBy('log')
        .orderBy('sequence')
        .limit(eventsPerPage)
        .execute()
      if (page.length > 0) yield page
      if (page.length < eventsPerPage) return
      last = page.at(-1) ?? last
    }
  }

  async function insert<Name extends Exclude<Table, 'replies'>>(
    tx: Transaction,
    table: Name,
    rows: Array<Row<Name>>,
  ) {
    await tx
      .insertInto(table as 'events')
      .values(rows as unknown as EventRow[])
      .execute()
  }

  /** Inserts replies, which nobody makes here yet, and resolves with their new log for each old one. */
  async function insertReplies(tx: Transaction, rows: Array<Row<'replies'>>): Promise<Map<number, number>> {
    const oldLogs = new Map(rows.map(({ id, log }) => [id, log]))
    const newLogs = new Map<number, number>()
    let left = rows.map(({ log, ...row }) => ({ ...row, node: null, ...firstTry(row.created_at, log) }))
    while (left.length > 0) {
      const inserted = await tx
        .insertInto('replies')
        .values(left)
        .onConflict((conflict) => conflict.column('log').doNothing())
        .returning(['id', 'log'])
        .execute()
      for (const { id, log } of inserted) newLogs.set(oldLogs.get(id) ?? 0, log)
      const done = new Set(inserted.map(({ id }) => id))
      left = left.filter(({ id }) => !done.has(id)).map((row) => ({ ...row, log: (row.log ?? 0) + 1 }))
    }
    return newLogs
  }

  /**
   * SQLite gives a number itself. On PostgreSQL it begins with the time of the reply, which says in which day's
   * partition its events are. The old number tells replies of one millisecond apart, nearly always.
   */
  function firstTry(createdAt: number, log: number): { log?: number } {
    return engine === 'postgres' ? { log: createdAt * logsPerMs + (log % logsPerMs) } : {}
  }

  /** Says of every open reply that nobody has touched it for long, so that whoever starts takes it up at once. */
  async function releaseOpen(tx: Transaction) {
    await tx
      .updateTable('replies')
      .set({ updated_at: 0 })
      .where(sql<boolean>`status in ('queued', 'in_progress')`)
      .execute()
  }

  return { count, lastId, rowsOf, eventsOf, insert, insertReplies, releaseOpen }
}

export type CopyStore = ReturnType<typeof createCopyStore>
