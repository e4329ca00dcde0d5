import type { Clock } from '../clock.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { NewEvent } from './event.ts'
import { createFollowers } from './followers.ts'
import { createEventStore } from './store.ts'
import { createEventWriters, numberEvents } from './writer.ts'

export type EventLog = ReturnType<typeof createEventLog>

/**
 * The event log of replies. Nothing reaches a reader before it is durable, so that a late reader sees exactly
 * what an early one saw. A log has one writer at a time: the attempt that holds the claim.
 */
export function createEventLog({ storage, now }: { storage: Storage; now: Clock }) {
  const store = createEventStore(storage)
  const followers = createFollowers(store.read)
  const writers = createEventWriters({ storage, store, followers, now })

  /**
   * Adds events in the caller's transaction, which must hold the claim on the reply; readers get them after
   * its commit. Resolves with the sequence that comes next.
   */
  async function append(
    tx: Transaction,
    replyId: string,
    newEvents: NewEvent[],
    firstSequence?: number,
  ): Promise<number> {
    const first = firstSequence ?? (await store.lastSequence(tx, replyId)) + 1
    const events = numberEvents(newEvents, first)
    await store.insert(tx, replyId, events, now())
    storage.afterCommit(tx, () => followers.publish(replyId, events))
    return first + events.length
  }

  return {
    append,
    openWriter: writers.open,
    read: store.read,
    follow: followers.follow,
    /** Ends the readers of a reply that was removed. */
    end: followers.end,
  }
}
