import type { Clock } from '../clock.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { Job, Jobs, Look } from './jobs.ts'

/** The longest delay a timer takes; a later job is put on a timer again. */
const maxTimerMs = 2 ** 31 - 1

interface Group {
  maxRunning: number
  /** With its number in the order in which they came, of all groups. */
  queue: Array<{ job: Job; number: number }>
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
  maxRunningOf?: ReadonlyMap<string, number>
  onError: (error: unknown, job: Job) => void
}): Jobs {
  const { storage, now, maxRunning, maxRunningPerGroup, maxRunningOf, onError } = options
  const groups = new Map<string, Group>()
  /** Interactions whose job waits in a queue: a second one would find the same work. */
  const queued = new Set<string>()
  /** Interactions whose job runs, with the job that came meanwhile. */
  const running = new Map<string, { again: Job | undefined; done: Promise<void> }>()
  const timers = new Map<string, { job: Job; timer: NodeJS.Timeout }>()
  const stopping = new AbortController()
  let look: Look | undefined
  let isStopped = false
  let came = 0

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
    group.queue.push({ job, number: (came += 1) })
    runMore()
  }

  function newGroup(name: string): Group {
    return { maxRunning: maxRunningOf?.get(name) ?? maxRunningPerGroup, queue: [], running: 0 }
  }

  function forgetTimer(interactionId: string) {
    const known = timers.get(interactionId)
    if (known) clearTimeout(known.timer)
    timers.delete(interactionId)
  }

  /** The oldest first, whatever its group: who asks a busy provider must not go before all who ask another. */
  function runMore() {
    if (!look || isStopped) return
    while (running.size < maxRunning) {
      const group = nextGroup()
      const next = group?.queue.shift()
      if (!group || !next) return
      const { job } = next
      queued.delete(job.interactionId)
      group.running += 1
      const active = { again: undefined as Job | undefined, done: Promise.resolve() }
      running.set(job.interactionId, active)
      active.done = run(look, job, group)
    }
  }

  /** The one that has room, and of those the one whose first job has waited for longest. */
  function nextGroup(): Group | undefined {
    let next: Group | undefined
    let lowest = Number.POSITIVE_INFINITY
    for (const group of groups.values()) {
      const { number = lowest } = group.queue[0] ?? {}
      if (group.running >= group.maxRunning || number >= lowest) continue
      next = group
      lowest = number
    }
    return next
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
    runMore()
  }

  return {
    enqueue,
    // Where one is put off, the one that is to be done now takes its place.
    hurry: enqueue,
    keepsJobs: false,
    start(handler) {
      look = handler
      runMore()
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
