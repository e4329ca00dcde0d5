import { sql } from 'kysely'
import { logsPerMs } from '../storage/schema.ts'
import type { Storage } from '../storage/storage.ts'

const dayMs = 86_400_000
/** Made so many days before they are needed, for a node that is up while the database takes no new tables. */
const daysAhead = 7
/** One node at a time makes or drops tables: 'prlp' in ASCII. */
const lockKey = 0x7072_6c70

/** The partitions of the event log on PostgreSQL, a day each: old ones are dropped whole, which costs nothing. */
export interface Partitions {
  /** Makes those of today and the days to come. */
  make(nowMs: number): Promise<void>
  /** Makes those of the days of some moments. */
  makeAt(times: number[]): Promise<void>
  /** Drops those of days before `ms`, but none that holds an open reply; resolves with how many that were. */
  dropBefore(ms: number): Promise<number>
}

export function createPartitions(storage: Storage): Partitions {
  async function make(nowMs: number) {
    const first = Math.floor(nowMs / dayMs) - 1
    await makeDays(Array.from({ length: daysAhead + 2 }, (_, ahead) => first + ahead))
  }

  async function makeDays(days: number[]) {
    const known = new Set((await list()).map(({ day }) => day))
    const missing = days.filter((day) => !known.has(day))
    if (missing.length === 0) return
    await storage.write(async (tx) => {
      await sql`select pg_advisory_xact_lock(${lockKey})`.execute(tx)
      for (const day of missing) {
        const [from, to] = [sql.lit(day * dayMs * logsPerMs), sql.lit((day + 1) * dayMs * logsPerMs)]
        await sql`create table if not exists ${sql.table(nameOf(day))} partition of events
                  for values from (${from}) to (${to})`.execute(tx)
      }
    })
  }

  async function dropBefore(ms: number) {
    const old = (await list()).filter(({ day }) => (day + 1) * dayMs <= ms)
    let dropped = 0
    for (const { day, name } of old) if (await drop(day, name)) dropped += 1
    return dropped
  }

  async function drop(day: number, name: string): Promise<boolean> {
    return storage.write(async (tx) => {
      await sql`select pg_advisory_xact_lock(${lockKey})`.execute(tx)
      // Readers hold the table for moments; who waits longer behind them would hold up every writer.
      await sql`set local lock_timeout = '2s'`.execute(tx)
      const { rows } = await sql`
        select 1 from replies where status in ('queued', 'in_progress')
        and log >= ${day * dayMs * logsPerMs} and log < ${(day + 1) * dayMs * logsPerMs} limit 1`.execute(tx)
      if (rows.length > 0) return false
      await sql`drop table if exists ${sql.table(name)}`.execute(tx)
      return true
    })
  }

  async function list() {
    const { rows } = await sql<{ name: string }>`
      select child.relname as name from pg_inherits
      join pg_class child on child.oid = inhrelid join pg_class parent on parent.oid = inhparent
      where parent.relname = 'events' and parent.relnamespace = current_schema()::regnamespace`.execute(
      storage.db,
    )
    return rows.map(({ name }) => ({ name, day: dayOf(name) }))
  }

  return {
    make,
    makeAt: (times) => makeDays([...new Set(times.map((ms) => Math.floor(ms / dayMs)))]),
    dropBefore,
  }
}

/** `events_20261122`, by the number of days since 1970. */
function nameOf(day: number): string {
  return `events_${new Date(day * dayMs).toISOString().slice(0, 10).replaceAll('-', '')}`
}

function dayOf(name: string): number {
  const [, year, month, date] = /^events_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? []
  return Date.UTC(Number(year), Number(month) - 1, Number(date)) / dayMs
}
