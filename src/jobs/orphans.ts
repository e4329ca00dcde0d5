import type { JobAttempt, PgBoss } from 'pg-boss'
import type { Log } from '../log.ts'
import { queue } from './boss.ts'

/** A job that runs has claimed its reply long before: that takes some 30 ms. */
const unclaimedSeconds = 1
const lookMs = 1_500

/**
 * Running jobs that nobody runs: who took them died before it could claim a reply, or had just settled one, or
 * never heard that it has them, because its connection broke. Their heartbeats would tell, but only after 10 s.
 */
export function createOrphans(parts: {
  boss: PgBoss
  giveBack: (jobs: JobAttempt[], reason: string) => Promise<void>
  log: Log
}) {
  const { boss, giveBack, log } = parts
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function find(): Promise<JobAttempt[]> {
    const { rows } = await boss.getDb().executeSql(
      `select id, retry_count as "retryCount" from pgboss.job
       where name = $1 and state = 'active' and policy = 'key_strict_fifo'
       and started_on < now() - make_interval(secs => $2)
       and not exists (
         select from replies join nodes on nodes.number = replies.node
         where replies.interaction_id = job.singleton_key::uuid
         and replies.status in ('queued', 'in_progress') and replies.status = 'in_progress'
       )`,
      [queue, unclaimedSeconds],
    )
    return rows as JobAttempt[]
  }

  async function look() {
    timer = undefined
    try {
      await giveBack(await find(), 'nobody runs it')
    } catch (error) {
      log.debug({ err: error }, 'orphaned jobs could not be looked for')
      lookSoon()
    }
  }

  /** Looks once, when those that live have had the time to show it. */
  function lookSoon() {
    if (!isStopped) timer ??= setTimeout(() => void look(), lookMs)
  }

  return {
    lookSoon,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
