import type { JobAttempt, PgBoss } from 'pg-boss'
import { queue } from './boss.ts'

/** What pg-boss is not asked for, because it would read much more than it takes: read from its table. */
export function createJobTable(boss: PgBoss) {
  /** How many jobs waited when PostgreSQL last looked at them for us; half of what is many, at first. */
  let known = 1_000

  async function rowsOf<Row>(query: string, ...values: unknown[]): Promise<Row[]> {
    const { rows } = await boss.getDb().executeSql(query, [queue, ...values])
    return rows as Row[]
  }

  /**
   * Fetching is planned by what PostgreSQL knows of the table. Of a queue that grew a moment ago it knows nothing
   * for up to a minute, and each fetch from 50,000 jobs took seconds instead of 0.3.
   */
  async function learn(waiting: number): Promise<void> {
    if (waiting < 2 * known) return
    known = waiting
    await boss.getDb().executeSql('analyze pgboss.job')
  }

  return {
    async countWaiting(): Promise<number> {
      const [row] = await rowsOf<{ waiting: number }>(
        // None is ever blocked; with these words it has an index.
        `select count(*)::int as waiting from pgboss.job where name = $1 and state < 'active' and not blocked`,
      )
      const waiting = row?.waiting ?? 0
      await learn(waiting)
      return waiting
    },

    /** Whether a job of the interaction waits. */
    async waits(interactionId: string): Promise<boolean> {
      // Not boss.findJobs, which reads the whole table.
      const rows = await rowsOf(
        `select 1 from pgboss.job where name = $1 and singleton_key = $2 and state < 'active' limit 1`,
        interactionId,
      )
      return rows.length > 0
    },

    /** Those of the interactions that have a job, waiting or running. */
    async withJob(interactionIds: string[]): Promise<Set<string>> {
      const rows = await rowsOf<{ id: string }>(
        // Two queries, so that each has its index.
        `select singleton_key as id from pgboss.job
           where name = $1 and singleton_key = any($2) and state < 'active'
         union select singleton_key from pgboss.job
           where name = $1 and singleton_key = any($2) and state = 'active' and policy = 'key_strict_fifo'`,
        interactionIds,
      )
      return new Set(rows.map(({ id }) => id))
    },

    /** The running jobs of the interactions. */
    running(interactionIds: string[]): Promise<JobAttempt[]> {
      // Not boss.findJobs, which reads the whole table for each key, and of one key only the oldest jobs.
      return rowsOf(
        `select id, retry_count as "retryCount" from pgboss.job
         where name = $1 and singleton_key = any($2) and state = 'active' and policy = 'key_strict_fifo'`,
        interactionIds,
      )
    },
  }
}
