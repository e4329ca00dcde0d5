import type { Clock } from '../clock.ts'
import { firstIdAt } from '../ids.ts'
import { type Log, levelOf } from '../log.ts'
import type { Storage } from '../storage/storage.ts'
import type { Changes } from './changes.ts'
import { createPartitions } from './partitions.ts'
import type { EventStore } from './store.ts'

const everyMs = 3_600_000
const dayMs = 86_400_000
/** Replies whose events go in one transaction: posts must not wait for it. */
const batchSize = 100
const changesPerBatch = 1_000

/**
 * Removes the events of replies that were asked for more than `keptDays` ago and have ended, and changes that are as
 * old; the messages stay.
 */
export function createPruner(parts: {
  storage: Storage
  store: EventStore
  changes: Pick<Changes, 'removeBefore'>
  now: Clock
  keptDays: number
  log: Log
}) {
  const { storage, store, changes, now, keptDays, log } = parts
  const partitions = storage.engine === 'postgres' ? createPartitions(storage) : undefined
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function prune(): Promise<void> {
    const exactly = now() - keptDays * dayMs
    // A day that is over is dropped as a whole, which costs nothing; removing its rows by the hour would.
    const keptFrom = partitions ? exactly - (exactly % dayMs) : exactly
    await partitions?.make(now())
    const days = (await partitions?.dropBefore(keptFrom)) ?? 0
    const replies = await removeBefore(keptFrom)
    // No sooner than the logs: these would be told again as if nothing had been corrected since.
    const removed = await removeChangesBefore(firstIdAt(keptFrom))
    const isAny = days + replies + removed > 0
    log[isAny ? 'info' : 'debug']({ replies, days, changes: removed }, 'old events removed')
  }

  async function removeChangesBefore(firstKeptId: string): Promise<number> {
    for (let all = 0; ;) {
      const removed = await storage.write((tx) => changes.removeBefore(tx, firstKeptId, changesPerBatch))
      all += removed
      if (isStopped || removed < changesPerBatch) return all
    }
  }

  /** One reply after the other: on PostgreSQL only those of a day that an open reply keeps. */
  async function removeBefore(ms: number): Promise<number> {
    // Ids carry their time, so that the log itself is the index.
    const firstKeptId = firstIdAt(ms)
    for (let removed = 0; ;) {
      const logs = await store.endedBefore(firstKeptId, batchSize)
      if (isStopped || logs.length === 0) return removed
      await storage.write((tx) => store.remove(tx, logs))
      removed += logs.length
    }
  }

  function run() {
    prune().catch((error: unknown) => log[levelOf(error)]({ err: error }, 'old events could not be removed'))
  }

  return {
    /** Resolves when the log can be written. */
    async start() {
      await partitions?.make(now())
      run()
      timer = setInterval(run, everyMs)
    },
    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}
