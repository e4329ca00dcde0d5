import { readdirSync, readFileSync } from 'node:fs'
import { Client } from 'pg'
import { findPostgres, startPostgres } from '../../test/support/postgres-server.ts'

/** A PostgreSQL of our own that waits for its disk, and what it costs. */
export interface MeasuredPostgres {
  url: string
  admin: Client
  /** CPU time of all of its processes so far, in milliseconds. */
  cpuMs(): number
  /** What was written and committed so far. */
  counters(): Promise<{ walBytes: number; commits: number; eventRows: number; eventBytes: number }>
  stop(): Promise<void>
}

export async function startMeasuredPostgres(): Promise<MeasuredPostgres> {
  const bin = findPostgres()
  if (!bin) throw new Error('no PostgreSQL: install it (apt-get install postgresql)')
  const server = await startPostgres(bin, { fsync: 'on', shared_buffers: '512MB', max_wal_size: '4GB' })
  const admin = new Client({ connectionString: server.url, application_name: 'bench' })
  await admin.connect()
  const { rows } = await admin.query<{ pid: number }>('select pg_backend_pid() as pid')
  const postmaster = readStat(rows[0]?.pid ?? 0)?.parent ?? 0

  async function counters() {
    const counted = await admin.query<{ wal: string; commits: string; rows: string; bytes: string }>(`
      select pg_current_wal_lsn() - '0/0'::pg_lsn as wal,
        (select sum(xact_commit) from pg_stat_database) as commits,
        (select coalesce(sum(n_tup_ins), 0) from pg_stat_user_tables where relname like 'events_2%') as rows,
        (select sum(pg_total_relation_size(oid)) from pg_class where relname like 'events_2%' and relkind = 'r') as bytes`)
    const [row] = counted.rows
    return {
      walBytes: Number(row?.wal),
      commits: Number(row?.commits),
      eventRows: Number(row?.rows),
      eventBytes: Number(row?.bytes),
    }
  }

  return {
    url: server.url,
    admin,
    cpuMs: () => treeCpuMs(postmaster),
    counters,
    async stop() {
      await admin.end()
      await server.remove()
    },
  }
}

/** Of a process, of those of its children that run, and of those that have ended. */
function treeCpuMs(pid: number): number {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat?.parent === pid)
  const own = readStat(pid)
  const ticks = (own?.ticks ?? 0) + (own?.childTicks ?? 0)
  return children.reduce((sum, stat) => sum + (stat?.ticks ?? 0), ticks) * 10
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html; undefined where it has ended. */
function readStat(pid: number) {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const number = (index: number) => Number(fields[index])
  return { parent: number(1), ticks: number(11) + number(12), childTicks: number(13) + number(14) }
}
