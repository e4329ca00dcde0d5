import type { Clock } from '../clock.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { NewEvent } from './event.ts'
import { createFollowers } from './followers.ts'
import type { EventStore } from './store.ts'
import { createEventWriters, numberEvents, type Place } from './writer.ts'

export type EventLog = ReturnType<typeof createEventLog>

/**
 * The event log of replies. Nothing reaches a reader before it is durable, so that a late reader sees exactly
 * what an early one saw. A log has one writer at a time: the attempt that holds the claim.
 */
export function createEventLog(parts: { storage: Storage; store: EventStore; now: Clock }) {
  const { storage, store, now } = parts
  const followers = createFollowers(store.read)
  const writers = createEventWriters({ storage, store, followers, now })

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
    storage.afterCommit(tx, () => followers.publish(replyId, events))
    return { log, next: next + events.length }
  }

  /** The end of a log, for who takes its writing over. */
  async function endOf(tx: Transaction, log: number): Promise<Place> {
    return { log, next: (await store.lastSequence(tx, log)) + 1 }
  }

  return {
    append,
    endOf,
    openWriter: writers.open,
    read: store.read,
    follow: followers.follow,
    /** Ends the readers of a reply that was removed. */
    end: followers.end,
  }
}
