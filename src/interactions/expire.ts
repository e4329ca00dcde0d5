import { type Log, levelOf } from '../log.ts'
import type { Interactions } from './interactions.ts'

const everyMs = 60_000
/** What goes in one transaction: posts must not wait for it. */
const batchSize = 100

/** Removes the interactions that were not to be kept, once their time is over and their answers are there. */
export function createExpiry(parts: { interactions: Pick<Interactions, 'removeExpired'>; log: Log }) {
  const { interactions, log } = parts
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function removeAll() {
    for (;;) {
      const removed = await interactions.removeExpired(batchSize)
      if (isStopped || removed < batchSize) return
    }
  }

  function run() {
    removeAll().catch((error: unknown) =>
      log[levelOf(error)]({ err: error }, 'interactions that are not kept could not be removed'),
    )
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
