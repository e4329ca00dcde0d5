import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Notices } from '../storage/notices.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { NewEvent, ReplyEvent } from './event.ts'
import { createFollowers } from './followers.ts'
import { createHearsay } from './hearsay.ts'
import { createEventRemoval } from './removal.ts'
import { createReadTogether } from './read-together.ts'
import type { EventStore } from './store.ts'
import { createEventWriters, numberEvents, type Place } from './writer.ts'

export type EventLog = ReturnType<typeof createEventLog>

/**
 * The event log of replies. Nothing reaches a reader before it is durable, so that a late reader sees exactly
 * what an early one saw. A log has one writer at a time: the attempt that holds the claim.
 */
export function createEventLog(parts: {
  storage: Storage
  store: EventStore
  now: Clock
  log: Log
  /** How other nodes hear of what is written here, where there are others. */
  notices?: Notices | undefined
}) {
  const { storage, store, now } = parts
  const followers = createFollowers(store.read, store.isThere)
  const hearsay =
    parts.notices &&
    createHearsay({
      notices: parts.notices,
      followers,
      store,
      readTogether: createReadTogether(storage),
      log: parts.log,
    })
  const removal = createEventRemoval({ storage, store })
  const writers = createEventWriters({ storage, store, publish, now })

  /**
   * Adds events at `place` in the caller's transaction, which must hold the claim on the reply; readers get
   * them after its commit. Resolves with the place that comes next.
   */
  async function append(
    tx: Transaction,
    replyId: string,
    newEvents: NewEvent[],
    { log, next }: Place,
  ): Promise<Place> {
    const events = numberEvents(newEvents, next)
    await store.insert(tx, log, events, now())
    storage.afterCommit(tx, () => publish(replyId, events))
    return { log, next: next + events.length }
  }

  /** Adds an event at the end of a log that somebody else may write: that one finds its place taken, and stops. */
  async function interrupt(tx: Transaction, replyId: string, log: number, event: NewEvent): Promise<void> {
    const added = { type: event.type, data: JSON.stringify(event.data) }
    const sequence = await store.insertBehind(tx, log, added, now())
    storage.afterCommit(tx, () => publish(replyId, [{ ...added, sequence }]))
  }

  /** For readers here and elsewhere; only what is durable. */
  function publish(replyId: string, events: ReplyEvent[]): void {
    followers.publish(replyId, events)
    hearsay?.advanced(replyId)
  }

  /** The end of a log, for who takes its writing over. */
  async function endOf(tx: Transaction, log: number): Promise<Place> {
    return { log, next: (await store.lastSequence(tx, log)) + 1 }
  }

  return {
    append,
    interrupt,
    endOf,
    whole: store.whole,
    openWriter: writers.open,
    /** Removes the events of replies that are about to be removed. */
    removeOf: (tx: Transaction, whose: Parameters<typeof removal.removeOf>[1]) =>
      removal.removeOf(tx, whose, now()),
    /** Removes what is left of a reply that was removed while it was made, for who made it and has stopped. */
    removeLeft: removal.removeLeft,
    read: store.read,
    follow: followers.follow,
    tail: followers.tail,
    /** Ends the readers of a reply that was removed. */
    end(replyId: string) {
      followers.end(replyId)
      hearsay?.ended(replyId)
    },
    stop: () => hearsay?.stop(),
  }
}
