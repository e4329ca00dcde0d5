import type { Log } from '../log.ts'
import type { Notices } from '../storage/notices.ts'
import type { Followers } from './followers.ts'
import { maxOfOne, type ReadTogether } from './read-together.ts'
import type { EventStore } from './store.ts'

/** How often readers are compared with the logs: a notice may have been lost. */
const lookMs = 5_000

/** What the nodes tell each other of their logs. */
export interface Hearsay {
  advanced(replyId: string): void
  ended(replyId: string): void
  stop(): void
}

/**
 * Readers of replies that are made on other nodes: hands them what was written there, and looks from time to time
 * without being told. The row is the truth; a notice only saves time.
 */
export function createHearsay(parts: {
  notices: Notices
  followers: Followers
  store: Pick<EventStore, 'lastSequences'>
  readTogether: ReadTogether
  log: Log
}): Hearsay {
  const { notices, followers, store, readTogether, log } = parts
  const advanced = new Set<string>()
  let reading: Promise<void> | undefined

  /** All that one notice tells, and what is told meanwhile, is read by one statement, however many follow it. */
  function heard(replyId: string) {
    if (!followers.has(replyId)) return
    advanced.add(replyId)
    reading ??= Promise.resolve().then(readAll)
  }

  async function readAll() {
    while (advanced.size > 0) {
      const replyIds = [...advanced]
      advanced.clear()
      const known = replyIds.flatMap((replyId) => {
        const after = followers.known(replyId)
        return after === undefined ? [] : [{ replyId, after }]
      })
      const told = new Set(known.map(({ replyId }) => replyId))
      // Nobody has read its rows yet: who is about to do so finds the new ones among them.
      for (const replyId of replyIds) if (!told.has(replyId)) followers.wake(replyId)
      try {
        const found = known.length > 0 ? await readTogether(known) : []
        for (const [replyId, events] of found) {
          followers.publish(replyId, events)
          if (events.length === maxOfOne) advanced.add(replyId)
        }
      } catch (error) {
        // Each of them tries by itself, and tells its reader if it can't.
        log.debug({ err: error }, 'what other nodes wrote could not be read')
        for (const replyId of told) followers.wake(replyId)
      }
    }
    reading = undefined
  }

  const look = () => {
    followers.look(store.lastSequences).catch((error: unknown) => {
      log.warn({ err: error }, 'the logs of followed replies could not be read')
    })
  }
  notices.listen('advanced', heard)
  notices.listen('ended', followers.end)
  notices.onGap(look)
  const timer = setInterval(look, lookMs)
  return {
    advanced: (replyId) => notices.tell('advanced', replyId),
    ended: (replyId) => notices.tell('ended', replyId),
    stop: () => clearInterval(timer),
  }
}
