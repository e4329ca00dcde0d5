import { setTimeout as pause } from 'node:timers/promises'
import type { Job as BossJob, JobAttempt } from 'pg-boss'
import { isDatabaseAway } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Notices } from '../storage/notices.ts'
import { explainQueryFailure } from '../storage/postgres-errors.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import { createAlarms } from './alarms.ts'
import { openBoss, queue } from './boss.ts'
import { createJobTable } from './job-table.ts'
import type { Job, Jobs, Look } from './jobs.ts'
import { createOrphans } from './orphans.ts'

const beatMs = 4_000
/** Who missed a notice finds new work at the latest by then. */
const pollMs = 2_000
const countMs = 2_000
/** By which the database's clock may be behind that of this node, as a rule. */
const clockMs = 10
const maxFetched = 64
/** Before a database that was away is asked again. */
const awayMs = 500
/** Before the next fetch where one failed. */
const failedMs = 100

export interface ClusterJobs extends Jobs {
  /** Gives the running jobs of interactions back to the queue: who ran them is dead. */
  release(interactionIds: string[]): Promise<void>
}

interface Data {
  interactionId: string
}

interface Running {
  job: BossJob<Data>
  done: Promise<void>
}

/**
 * Jobs of any number of nodes, kept by pg-boss in the same database, so that a job is enqueued by the transaction
 * that it belongs to. One at a time for each interaction, in the order of their coming.
 */
export async function createPgBossJobs(options: {
  url: string
  storage: Storage
  notices: Notices
  maxRunning: number
  /** On all nodes together. */
  maxRunningPerGroup: number
  /** Of groups that have a limit of their own. */
  maxRunningOf?: ReadonlyMap<string, number>
  onError: (error: unknown, job: Job) => void
  log: Log
}): Promise<ClusterJobs> {
  const { storage, notices, maxRunning, maxRunningPerGroup, maxRunningOf = new Map(), onError, log } = options
  const boss = await openBoss(options.url, log)

  // A plain number is planned better.
  const groupConcurrency =
    maxRunningOf.size === 0
      ? maxRunningPerGroup
      : { default: maxRunningPerGroup, tiers: Object.fromEntries(maxRunningOf) }
  const table = createJobTable(boss, new Set(maxRunningOf.keys()))
  const running = new Set<Running>()
  const orphans = createOrphans({ find: table.orphaned, giveBack, log })
  const stopping = new AbortController()
  /** Those that are done with, and those that are to come again. */
  const ended: Array<{ job: BossJob<Data>; comesAgain: boolean }> = []
  const timers: NodeJS.Timeout[] = []
  let look: Look | undefined
  /** It takes no more work. */
  const stopped = new AbortController()
  let fetching: Promise<void> | undefined
  let mayBeMore = false
  /** The ids of jobs that were enqueued here, and that no fetch has looked for yet. */
  const untaken = new Set<string>()
  let settling: Promise<void> | undefined
  const alarms = createAlarms(fetchMore)
  let waiting = 0

  async function enqueue(tx: Transaction, job: Job) {
    const id = await table.insert(tx, job)
    storage.afterCommit(tx, () => {
      waiting += 1
      if (job.notBefore) alarms.set(job.notBefore + clockMs)
      else untaken.add(id)
      fetchMore()
    })
  }

  /** One behind it would wait as long as it does. */
  async function hurry(tx: Transaction, job: Job) {
    if (!(await table.putForward(tx, job.interactionId))) return enqueue(tx, job)
    storage.afterCommit(tx, () => {
      fetchMore()
      tellOthers()
    })
  }

  /** Fetches as long as there is work and room for it; one fetch at a time. */
  function fetchMore() {
    mayBeMore = true
    if (look && !fetching && mayTakeMore()) {
      fetching = fetchAll(look)
        .catch(async (error: unknown) => {
          log.warn({ err: error }, 'no jobs could be fetched')
          // They may be ours all the same.
          orphans.lookSoon()
          await pause(failedMs)
        })
        .finally(() => {
          fetching = undefined
          if (mayBeMore) fetchMore()
          else tellUntaken()
        })
    }
    // There is no role or room for it here.
    if (!fetching) tellUntaken()
  }

  function tellUntaken() {
    if (untaken.size > 0) tellOthers()
  }

  function mayTakeMore(): boolean {
    return running.size < maxRunning && !stopped.signal.aborted
  }

  /** Only of what this node does not take itself: each notice makes every other node look. */
  function tellOthers() {
    untaken.clear()
    notices.tell('jobs', queue)
  }

  function hear() {
    // Until the next count. It may wait for what runs here: then it is fetched when that ends.
    waiting += 1
    fetchMore()
  }

  async function fetchAll(lookAt: Look) {
    while (mayBeMore && mayTakeMore()) {
      mayBeMore = false
      const sought = [...untaken]
      const batchSize = Math.min(maxFetched, maxRunning - running.size)
      const jobs = await boss.fetch<Data>(queue, { batchSize, groupConcurrency })
      if (stopped.signal.aborted) return giveBack(jobs, 'its node is stopping')
      // Until the next count, which knows what other nodes did.
      waiting = Math.max(0, waiting - jobs.length)
      for (const job of jobs) {
        const entry = { job, done: Promise.resolve() }
        running.add(entry)
        entry.done = run(lookAt, entry)
      }
      await seeWhatWaits(sought, jobs)
      // Not for nothing: a fetch costs more than all else of a job. What a full group hid may be seen now.
      if (jobs.length === batchSize || (jobs.length > 0 && waiting > 0)) mayBeMore = true
    }
  }

  /** What was not fetched waits for its turn, or another node has taken it: counting costs a tenth of a fetch. */
  async function seeWhatWaits(sought: string[], jobs: Array<BossJob<Data>>) {
    for (const { id } of jobs) untaken.delete(id)
    const isMissed = sought.some((id) => untaken.has(id))
    for (const id of sought) untaken.delete(id)
    if (isMissed || (waiting > 0 && jobs.length === 0)) await count()
    if (isMissed && waiting > 0) tellOthers()
  }

  /** For any node to take. */
  async function giveBack(jobs: JobAttempt[], reason: string) {
    if (jobs.length === 0) return
    await boss.fail(queue, jobs, { message: reason })
    waiting += jobs.length
    fetchMore()
    tellOthers()
  }

  async function run(lookAt: Look, entry: Running) {
    const { data, groupId } = entry.job
    const job = { interactionId: data.interactionId, group: groupId ?? '' }
    let comesAgain = false
    try {
      const next = await lookAt(job, stopping.signal)
      if (next && (await isNews(next, job))) await storage.write((tx) => enqueue(tx, next))
    } catch (error) {
      const failure = explainQueryFailure(error)
      comesAgain = isDatabaseAway(failure)
      if (comesAgain) log.warn({ err: failure }, 'the database was away; the work is done again')
      // Nothing is lost: the reply is still open, and the sweeper looks at it again.
      else onError(failure, job)
    }
    if (comesAgain) await pause(awayMs, undefined, { signal: stopped.signal }).catch(() => {})
    running.delete(entry)
    ended.push({ job: entry.job, comesAgain })
    await (settling ??= settleAll())
  }

  /** What is to be looked at at once has a job already, as a rule: that of its own post. */
  async function isNews(next: Job, last: Job): Promise<boolean> {
    if (next.notBefore || next.group !== last.group) return true
    return !(await table.waits(next.interactionId))
  }

  /** While one statement is under way, what ends gathers for the next. */
  async function settleAll() {
    while (ended.length > 0) {
      const some = ended.splice(0)
      try {
        await settle(some)
      } catch (error) {
        log.warn({ err: error }, 'jobs could not be completed')
        // Whoever stops leaves them: their heartbeats end too, and they come again.
        if (!stopped.signal.aborted) {
          ended.push(...some)
          await pause(awayMs)
        }
      }
      if (waiting > 0 || mayBeMore) lookOn()
    }
    settling = undefined
  }

  /** What waited for what has ended, its interaction or its group, may run now. */
  function lookOn() {
    if (stopped.signal.aborted) tellOthers()
    else fetchMore()
  }

  /** Of a job that another node has by now nothing is changed; so doing it late, or twice, does no harm. */
  async function settle(some: typeof ended) {
    const jobs = (comingAgain: boolean) =>
      some.filter(({ comesAgain }) => comesAgain === comingAgain).map(({ job }) => job)
    const [done, again] = [jobs(false), jobs(true)]
    if (done.length > 0) await boss.complete(queue, done)
    await giveBack(again, 'the database was away')
  }

  function beat() {
    const alive = [...running].map(({ job }) => job)
    if (alive.length === 0) return
    boss.touch(queue, alive).catch((error: unknown) => log.warn({ err: error }, 'no heartbeat'))
  }

  async function count() {
    waiting = await table.countWaiting()
  }

  timers.push(
    setInterval(() => {
      count().catch((error: unknown) => log.debug({ err: error }, 'jobs could not be counted'))
    }, countMs),
  )

  return {
    enqueue,
    hurry,
    keepsJobs: true,
    start(handler) {
      look = handler
      notices.listen('jobs', hear)
      notices.onGap(fetchMore)
      timers.push(setInterval(fetchMore, pollMs), setInterval(beat, beatMs))
      fetchMore()
    },
    get waiting() {
      return waiting
    },
    async withoutJob(interactionIds) {
      const known = await table.withJob(interactionIds)
      return new Set(interactionIds.filter((id) => !known.has(id)))
    },
    async release(interactionIds) {
      await giveBack(await table.running(interactionIds), 'its node is gone')
      orphans.lookSoon()
    },
    async stop(graceMs) {
      stopped.abort()
      orphans.stop()
      alarms.stop()
      for (const timer of timers) clearInterval(timer)
      const beating = setInterval(beat, beatMs)
      const grace = setTimeout(() => stopping.abort(new Error('the server is stopping')), graceMs)
      await fetching
      await Promise.all([...running].map(({ done }) => done))
      await settling
      clearTimeout(grace)
      clearInterval(beating)
      await boss.stop({ graceful: false })
    },
  }
}
