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
    const keptFrom = now() - keptDays * dayMs
    await partitions?.make(now())
    const dropped = await partitions?.dropBefore(keptFrom)
    // A day that is over is dropped as a whole, which costs nothing; removing its rows by the hour would.
    const removed = await removeBefore(partitions ? keptFrom - (keptFrom % dayMs) : keptFrom)
    if (dropped || removed > 0) log.info({ replies: removed, days: dropped }, 'old events removed')
    await removeChangesBefore(firstIdAt(keptFrom))
  }

  async function removeChangesBefore(firstKeptId: string) {
    for (;;) {
      const removed = await storage.write((tx) => changes.removeBefore(tx, firstKeptId, changesPerBatch))
      if (isStopped || removed < changesPerBatch) return
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
