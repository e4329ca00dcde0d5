import type { Clock } from '../clock.ts'
import { firstIdAt } from '../ids.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import { type Log, levelOf } from '../log.ts'
import type { Storage } from '../storage/storage.ts'
import type { WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'

const everyMs = 15_000
const untouchedMs = 60_000
const pageSize = 1_000

/**
 * Keeps the promise that an accepted message is answered, whatever happened to its job: looks for open replies,
 * all of them at start, later those that nobody has touched for a while.
 */
export function createSweeper(parts: {
  storage: Storage
  store: ReplyStore
  jobs: Pick<Jobs, 'enqueue' | 'keepsJobs' | 'withoutJob'>
  jobOf: (reply: WaitingReply) => Job
  now: Clock
  log: Log
}) {
  const { storage, store, jobs, jobOf, now, log } = parts
  let timer: NodeJS.Timeout | undefined

  /** Resolves with the number of interactions that will be looked at. */
  async function sweep(untouchedSince: number): Promise<number> {
    let found = 0
    let afterInteraction = firstIdAt(0)
    for (;;) {
      // Each page starts where the one before it ended.
      const page = await store.openInteractions({ afterInteraction, untouchedSince, limit: pageSize })
      // One that waits for long, or is long in the making, has its job: it would get one more with every look.
      const lost = await jobs.withoutJob(page.map(({ interactionId }) => interactionId))
      await storage.write(async (tx) => {
        for (const reply of page) if (lost.has(reply.interactionId)) await jobs.enqueue(tx, jobOf(reply))
      })
      found += lost.size
      afterInteraction = page.at(-1)?.interactionId ?? afterInteraction
      if (page.length < pageSize) return found
    }
  }

  return {
    /** Takes up what an earlier process left, and goes on looking. */
    async start() {
      // Jobs that outlive their process are looked at anyway; a copied database has replies, but no jobs.
      const found = await sweep(jobs.keepsJobs ? now() - untouchedMs : now())
      if (found > 0) log.info({ interactions: found }, 'taking up the replies that were left open')
      timer = setInterval(() => {
        sweep(now() - untouchedMs).catch((error: unknown) =>
          log[levelOf(error)]({ err: error }, 'sweep failed'),
        )
      }, everyMs)
    },
    stop() {
      clearInterval(timer)
    },
  }
}
