import type { Clock } from '../clock.ts'
import type { Storage } from '../storage/storage.ts'
import { addTo, type NewEvent, type ReplyEvent } from './event.ts'
import type { Followers } from './followers.ts'
import type { EventStore } from './store.ts'

/** Time between two commits of tokens that are not anybody's first: what a commit costs is shared by more. */
const paceMs = 10
/** Events of one reply that may wait for a commit; then its provider waits. */
const maxWaiting = 1_000

/** Writes the log of one attempt at a reply. */
export interface EventWriter {
  /** Adds an event to the log; readers get it once it is durable. Resolves when more may be added. */
  add(event: NewEvent): Promise<void>
  /**
   * Ends the writing: waits for what is under way and gives back what is not in the log yet, for the
   * transaction that settles the reply. Rejects where the attempt is lost.
   */
  finish(): Promise<{ rest: NewEvent[]; nextSequence: number }>
}

/** The attempt may write nothing more: another one has taken over, or its reply is gone. */
export class LostClaim extends Error {
  constructor(replyId: string, attempt: number) {
    super(`attempt ${attempt} at reply ${replyId} is not the writer any more`)
    this.name = 'LostClaim'
  }
}

interface Writing {
  replyId: string
  attempt: number
  nextSequence: number
  waiting: NewEvent[]
  hasWritten: boolean
  /** Set once it may write nothing more. */
  failure: unknown
  onLost: (reason: unknown) => void
}

/**
 * The one writer of this process: while one commit is under way, the new events of all replies gather, and the
 * next commit takes them all. First tokens go at once.
 */
export function createEventWriters(parts: {
  storage: Storage
  store: EventStore
  followers: Followers
  now: Clock
}) {
  const { storage, store, followers, now } = parts
  const gathering = new Set<Writing>()
  let flushing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let lastFlushAt = 0
  /** Somebody's first token waits. */
  let isUrgent = false

  /** `onLost` is told once when this attempt may write nothing more, or the log cannot be written. */
  function open(options: {
    replyId: string
    attempt: number
    nextSequence: number
    onLost: (reason: unknown) => void
  }): EventWriter {
    const writing: Writing = { ...options, waiting: [], hasWritten: false, failure: undefined }
    return {
      async add(event) {
        if (writing.failure !== undefined) return
        addTo(writing.waiting, event)
        gathering.add(writing)
        schedule({ atOnce: !writing.hasWritten })
        writing.hasWritten = true
        if (writing.waiting.length >= maxWaiting) await flushing
      },
      async finish() {
        gathering.delete(writing)
        const rest = writing.waiting
        writing.waiting = []
        await flushing
        if (writing.failure !== undefined) throw writing.failure
        return { rest, nextSequence: writing.nextSequence }
      },
    }
  }

  function schedule({ atOnce }: { atOnce: boolean }) {
    isUrgent ||= atOnce
    if (flushing) return
    const waitMs = isUrgent ? 0 : lastFlushAt + paceMs - performance.now()
    if (waitMs <= 0) flushNow()
    else timer ??= setTimeout(flushNow, waitMs)
  }

  function flushNow() {
    clearTimeout(timer)
    timer = undefined
    isUrgent = false
    if (gathering.size === 0) return
    flushing = flush().then(() => {
      flushing = undefined
      lastFlushAt = performance.now()
      if (gathering.size > 0) schedule({ atOnce: false })
    })
  }

  async function flush() {
    const batch = [...gathering].map((writing) => ({ writing, events: numbered(writing) }))
    gathering.clear()
    const committed = new Set<Writing>()
    try {
      await storage.write(async (tx) => {
        for (const { writing, events } of batch) {
          if (!(await store.isWriter(tx, writing.replyId, writing.attempt))) continue
          await store.insert(tx, writing.replyId, events, now())
          committed.add(writing)
        }
      })
    } catch (error) {
      for (const { writing } of batch) lose(writing, error)
      return
    }
    for (const { writing, events } of batch) {
      if (committed.has(writing)) followers.publish(writing.replyId, events)
      else lose(writing, new LostClaim(writing.replyId, writing.attempt))
    }
  }

  function lose(writing: Writing, reason: unknown) {
    writing.failure = reason
    writing.waiting = []
    writing.onLost(reason)
  }

  function numbered(writing: Writing): ReplyEvent[] {
    const events = numberEvents(writing.waiting, writing.nextSequence)
    writing.nextSequence += events.length
    writing.waiting = []
    return events
  }

  return { open }
}

/** Gives `events` their places in the log, from `first` on. */
export function numberEvents(events: NewEvent[], first: number): ReplyEvent[] {
  return events.map(({ type, data }, index) => ({
    sequence: first + index,
    type,
    data: JSON.stringify(data),
  }))
}
