import type { Clock } from '../clock.ts'
import { firstIdAt } from '../ids.ts'
import type { Log } from '../log.ts'
import type { Storage } from '../storage/storage.ts'
import type { EventStore } from './store.ts'

const everyMs = 3_600_000
/** Replies whose events go in one transaction: posts must not wait for it. */
const batchSize = 100

/** Removes the events of replies that were asked for more than `keptDays` ago and have ended; their messages stay. */
export function createPruner(parts: {
  storage: Storage
  store: EventStore
  now: Clock
  keptDays: number
  log: Log
}) {
  const { storage, store, now, keptDays, log } = parts
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function prune(): Promise<void> {
    // Ids carry their time, so that the log itself is the index.
    const firstKeptId = firstIdAt(now() - keptDays * 86_400_000)
    let removed = 0
    for (;;) {
      const logs = await store.endedBefore(firstKeptId, batchSize)
      if (isStopped || logs.length === 0) break
      await storage.write((tx) => store.remove(tx, logs))
      removed += logs.length
    }
    if (removed > 0) log.info({ replies: removed }, 'old events removed')
  }

  function run() {
    prune().catch((error: unknown) => log.error({ err: error }, 'old events could not be removed'))
  }

  return {
    start() {
      run()
      timer = setInterval(run, everyMs)
    },
    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}
