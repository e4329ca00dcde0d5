import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { isDatabaseAway } from '../errors.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import type { Storage } from '../storage/storage.ts'
import type { OpenReply, WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'

/** Before a database that was away is asked again. */
const awayMs = 250

export type GiveBack = (reply: Pick<OpenReply, 'id' | 'attempt'>, stopping: AbortSignal) => Promise<boolean>

/**
 * Gives a reply back to the queue whose attempt here ended because the database was away: this process lives, and so
 * that was no crash. Waits until the database is back, or until `stopping`. Resolves with false where the attempt was
 * never claimed, or another node has taken the reply over.
 */
export function createGiveBack(parts: {
  storage: Storage
  store: Pick<ReplyStore, 'giveBack'>
  jobs: Pick<Jobs, 'enqueue'>
  jobOf: (reply: WaitingReply) => Job
  /** The number of this node, where there are others. */
  node: () => number | null
  now: Clock
}): GiveBack {
  const { storage, store, jobs, jobOf, node, now } = parts
  /** All that wait ask together. */
  let back: Promise<void> | undefined

  return async function giveBack({ id, attempt }, stopping) {
    for (;;) {
      await (back ??= untilBack(stopping).finally(() => (back = undefined)))
      try {
        return await storage.write(async (tx) => {
          // It was made with the number that came next.
          const given = { id, attempt: attempt + 1, node: node(), now: now() }
          const reply = await store.giveBack(tx, given)
          if (reply) await jobs.enqueue(tx, jobOf(reply))
          return reply !== undefined
        })
      } catch (error) {
        await waitAfter(error, stopping)
      }
    }
  }

  async function untilBack(stopping: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await storage.write(async () => {})
        return
      } catch (error) {
        await waitAfter(error, stopping)
      }
    }
  }
}

async function waitAfter(failure: unknown, stopping: AbortSignal): Promise<void> {
  if (!isDatabaseAway(failure) || stopping.aborted) throw failure
  await pause(awayMs, undefined, { signal: stopping }).catch(() => {})
}
