import type { Clock } from '../clock.ts'
import { firstIdAt } from '../ids.ts'
import type { Log } from '../log.ts'
import type { Storage } from '../storage/storage.ts'

const everyMs = 3_600_000
/** Replies whose events go in one transaction: posts must not wait for it. */
const batchSize = 100

/** Removes the events of replies that were asked for more than `keptDays` ago and have ended; their messages stay. */
export function createPruner(parts: { storage: Storage; now: Clock; keptDays: number; log: Log }) {
  const { storage, now, keptDays, log } = parts
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function prune(): Promise<void> {
    // Ids carry their time, so that the log itself is the index.
    const before = firstIdAt(now() - keptDays * 86_400_000)
    let removed = 0
    for (;;) {
      const ids = await oldest(before)
      if (isStopped || ids.length === 0) break
      await storage.write((tx) => tx.deleteFrom('events').where('reply_id', 'in', ids).execute())
      removed += ids.length
    }
    if (removed > 0) log.info({ replies: removed }, 'old events removed')
  }

  async function oldest(before: string): Promise<string[]> {
    const rows = await storage.db
      .selectFrom('events')
      .innerJoin('replies', 'replies.id', 'events.reply_id')
      .select('reply_id')
      .distinct()
      .where('reply_id', '<', before)
      .where('replies.completed_at', 'is not', null)
      .orderBy('reply_id')
      .limit(batchSize)
      .execute()
    return rows.map(({ reply_id }) => reply_id)
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
