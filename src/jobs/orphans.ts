import type { JobAttempt } from 'pg-boss'
import type { Log } from '../log.ts'

const lookMs = 1_500

/**
 * Running jobs that nobody runs: who took them died before it could claim a reply, or had just settled one, or
 * never heard that it has them, because its connection broke. Their heartbeats would tell, but only after 10 s.
 */
export function createOrphans(parts: {
  find: () => Promise<JobAttempt[]>
  giveBack: (jobs: JobAttempt[], reason: string) => Promise<void>
  log: Log
}) {
  const { find, giveBack, log } = parts
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

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
