import { CompiledQuery, sql } from 'kysely'
import type { JobAttempt, PgBoss } from 'pg-boss'
import { newId } from '../ids.ts'
import { explainQueryFailure } from '../storage/postgres-errors.ts'
import type { Transaction } from '../storage/storage.ts'
import { queue } from './boss.ts'
import type { Job } from './jobs.ts'

/** A queue of twice as many is deep. */
const fewJobs = 1_000
/** A job that runs has claimed its reply long before: that takes some 30 ms. */
const unclaimedSeconds = 1

/**
 * The rows of jobs: pg-boss writes them, and what it would read the whole table for, or does not know to do, is asked
 * of its table here, in words that have an index.
 */
export function createJobTable(boss: PgBoss, limitedGroups: ReadonlySet<string>) {
  /** How many jobs waited when PostgreSQL last looked at them for us. */
  let known = fewJobs

  async function rowsOf<Row>(query: string, ...values: unknown[]): Promise<Row[]> {
    try {
      const { rows } = await boss.getDb().executeSql(query, [queue, ...values])
      return rows as Row[]
    } catch (error) {
      throw explainQueryFailure(error)
    }
  }

  /**
   * Fetching is planned by what PostgreSQL knows of the table. Of a queue that grew a moment ago it knows nothing
   * for up to a minute, and each fetch from 50,000 jobs took seconds instead of 0.3.
   */
  async function learn(waiting: number): Promise<void> {
    if (waiting < known / 2) known = Math.max(fewJobs, waiting)
    if (waiting < 2 * known) return
    known = waiting
    await boss.getDb().executeSql('analyze pgboss.job')
  }

  return {
    /** Enqueues a job with the transaction; its id. */
    async insert(tx: Transaction, { interactionId, group, notBefore }: Job): Promise<string> {
      const db = {
        executeSql: async (text: string, values: unknown[] = []) => ({
          rows: (await tx.executeQuery(CompiledQuery.raw(text, values))).rows,
        }),
      }
      // In the order of their making: pg-boss takes the jobs of a group in the order of their ids.
      const id = newId()
      const startAfter = notBefore ? { startAfter: new Date(notBefore) } : {}
      // A tier for each group that has a limit of its own.
      const tier = limitedGroups.has(group) ? { tier: group } : {}
      const options = { db, id, singletonKey: interactionId, group: { id: group, ...tier }, ...startAfter }
      await boss.send(queue, { interactionId }, options)
      return id
    },

    /** Lets a job of the interaction that is put off run as soon as `tx` is durable; false where there is none. */
    async putForward(tx: Transaction, interactionId: string): Promise<boolean> {
      const { rows } = await sql`
        update pgboss.job set start_after = now()
        where name = ${queue} and singleton_key = ${interactionId} and state < 'active' and start_after > now()
        returning id`.execute(tx)
      return rows.length > 0
    },

    /** How many wait. Where that grew a lot, PostgreSQL learns of it. */
    async countWaiting(): Promise<number> {
      const [row] = await rowsOf<{ waiting: number }>(
        // None is ever blocked.
        `select count(*)::int as waiting from pgboss.job where name = $1 and state < 'active' and not blocked`,
      )
      const waiting = row?.waiting ?? 0
      await learn(waiting)
      return waiting
    },

    /** Whether a job of the interaction waits. */
    async waits(interactionId: string): Promise<boolean> {
      const rows = await rowsOf(
        `select 1 from pgboss.job where name = $1 and singleton_key = $2 and state < 'active' limit 1`,
        interactionId,
      )
      return rows.length > 0
    },

    /** Those of the interactions that have a job, waiting or running. */
    async withJob(interactionIds: string[]): Promise<Set<string>> {
      const rows = await rowsOf<{ id: string }>(
        // Two queries, each with an index of its own.
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
      return rowsOf(
        `select id, retry_count as "retryCount" from pgboss.job
         where name = $1 and singleton_key = any($2) and state = 'active' and policy = 'key_strict_fifo'`,
        interactionIds,
      )
    },

    /** The running jobs of interactions in which no living node makes a reply. */
    orphaned(): Promise<JobAttempt[]> {
      return rowsOf(
        // The states twice: the first in the words of the index of open replies.
        `select id, retry_count as "retryCount" from pgboss.job
         where name = $1 and state = 'active' and policy = 'key_strict_fifo'
         and started_on < now() - make_interval(secs => $2)
         and not exists (
           select from replies join nodes on nodes.number = replies.node
           where replies.interaction_id = job.singleton_key::uuid
           and replies.status in ('queued', 'in_progress') and replies.status = 'in_progress'
         )`,
        unclaimedSeconds,
      )
    },
  }
}
