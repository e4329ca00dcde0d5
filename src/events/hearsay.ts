import type { Log } from '../log.ts'
import type { Notices } from '../storage/notices.ts'
import type { Followers } from './followers.ts'
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
 * Readers of replies that are made on other nodes: wakes them when something was written there, and looks from
 * time to time without being told. The row is the truth; a notice only saves time.
 */
export function createHearsay(parts: {
  notices: Notices
  followers: Followers
  store: Pick<EventStore, 'lastSequences'>
  log: Log
}): Hearsay {
  const { notices, followers, store, log } = parts
  const look = () => {
    followers.look(store.lastSequences).catch((error: unknown) => {
      log.warn({ err: error }, 'the logs of followed replies could not be read')
    })
  }
  notices.listen('advanced', followers.wake)
  notices.listen('ended', followers.end)
  notices.onGap(look)
  const timer = setInterval(look, lookMs)
  return {
    advanced: (replyId) => notices.tell('advanced', replyId),
    ended: (replyId) => notices.tell('ended', replyId),
    stop: () => clearInterval(timer),
  }
}
