import type { Clock } from '../clock.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { Job, Jobs, Look } from './jobs.ts'

/** The longest delay a timer takes; a later job is put on a timer again. */
const maxTimerMs = 2 ** 31 - 1

interface Group {
  maxRunning: number
  queue: Job[]
  running: number
}

/**
 * Jobs of one process, in memory: the open replies in the database are the durable queue, and whoever starts
 * the process enqueues them again.
 */
export function createEmbeddedJobs(options: {
  storage: Storage
  now: Clock
  maxRunning: number
  maxRunningPerGroup: number
  /** Of groups that have a limit of their own. */
  maxRunningOf?: Record<string, number> | undefined
  onError: (error: unknown, job: Job) => void
}): Jobs {
  const { storage, now, maxRunning, maxRunningPerGroup, maxRunningOf = {}, onError } = options
  const groups = new Map<string, Group>()
  /** Interactions whose job waits in a queue: a second one would find the same work. */
  const queued = new Set<string>()
  /** Interactions whose job runs, with the job that came meanwhile. */
  const running = new Map<string, { again: Job | undefined; done: Promise<void> }>()
  const timers = new Map<string, { job: Job; timer: NodeJS.Timeout }>()
  const stopping = new AbortController()
  let look: Look | undefined
  let isStopped = false

  async function enqueue(tx: Transaction, job: Job) {
    storage.atCommit(tx, () => take(job))
  }

  function take(job: Job) {
    if (isStopped) return
    const { interactionId } = job
    const active = running.get(interactionId)
    if (active) active.again = earlier(active.again, job)
    else if (queued.has(interactionId)) return
    else if ((job.notBefore ?? 0) > now()) wait(job)
    else push(job)
  }

  function wait(job: Job) {
    const { interactionId } = job
    const known = timers.get(interactionId)
    if (known) clearTimeout(known.timer)
    const next = earlier(known?.job, job)
    const delayMs = Math.min(maxTimerMs, (next.notBefore ?? 0) - now())
    const timer = setTimeout(() => {
      timers.delete(interactionId)
      take(next)
    }, delayMs)
    timers.set(interactionId, { job: next, timer })
  }

  function push(job: Job) {
    forgetTimer(job.interactionId)
    queued.add(job.interactionId)
    const group = groups.get(job.group) ?? newGroup(job.group)
    groups.set(job.group, group)
    group.queue.push(job)
    runMore(group)
  }

  function newGroup(name: string): Group {
    return { maxRunning: maxRunningOf[name] ?? maxRunningPerGroup, queue: [], running: 0 }
  }

  function forgetTimer(interactionId: string) {
    const known = timers.get(interactionId)
    if (known) clearTimeout(known.timer)
    timers.delete(interactionId)
  }

  function runMore(group: Group) {
    if (!look || isStopped) return
    while (group.running < group.maxRunning && running.size < maxRunning) {
      const job = group.queue.shift()
      if (!job) return
      queued.delete(job.interactionId)
      group.running += 1
      const active = { again: undefined as Job | undefined, done: Promise.resolve() }
      running.set(job.interactionId, active)
      active.done = run(look, job, group)
    }
  }

  async function run(lookAt: Look, job: Job, group: Group) {
    let next: Job | undefined
    try {
      next = await lookAt(job, stopping.signal)
    } catch (error) {
      // Nothing is lost: the reply is still open, and the sweeper looks at it again.
      onError(error, job)
    }
    const again = running.get(job.interactionId)?.again
    running.delete(job.interactionId)
    group.running -= 1
    if (again) take(again)
    if (next) take(next)
    runMore(group)
    // The global limit may have held up the others.
    for (const other of groups.values()) if (running.size < maxRunning) runMore(other)
  }

  return {
    enqueue,
    // Where one is put off, the one that is to be done now takes its place.
    hurry: enqueue,
    keepsJobs: false,
    start(handler) {
      look = handler
      for (const group of groups.values()) runMore(group)
    },
    async withoutJob(interactionIds) {
      return new Set(interactionIds.filter((id) => !queued.has(id) && !running.has(id) && !timers.has(id)))
    },
    get waiting() {
      return queued.size + timers.size
    },
    async stop(graceMs) {
      isStopped = true
      for (const interactionId of timers.keys()) forgetTimer(interactionId)
      const allDone = Promise.all([...running.values()].map(({ done }) => done))
      const grace = setTimeout(() => stopping.abort(new Error('the server is stopping')), graceMs)
      await allDone
      clearTimeout(grace)
    },
  }
}

function earlier(one: Job | undefined, other: Job): Job {
  if (!one) return other
  return (one.notBefore ?? 0) <= (other.notBefore ?? 0) ? one : other
}
