import type { Clock } from '../clock.ts'
import type { Storage } from '../storage/storage.ts'
import { addTo, type NewEvent, type ReplyEvent } from './event.ts'
import type { EventStore } from './store.ts'

/**
 * Time between two commits of tokens that are nobody's first, as a multiple of what the last one took: so
 * committing takes no more than a thirtieth of the time, and under load more tokens share one commit.
 */
const paceFactor = 30
const minPaceMs = 4
const maxPaceMs = 60
/** Events of one reply that may wait for a commit; then its provider waits. */
const maxWaiting = 1_000

/** Writes the log of one attempt at a reply. */
export interface EventWriter {
  /**
   * Adds an event to the log; readers get it once it is durable. A promise says that so much is waiting that
   * no more should be added before it resolves.
   */
  add(event: NewEvent): Promise<void> | undefined
  /**
   * Ends the writing: waits for what is under way and gives back what is not in the log yet, for the
   * transaction that settles the reply. Rejects where the attempt is lost.
   */
  finish(): Promise<{ rest: NewEvent[]; place: Place }>
}

/** Where the next event of a reply goes: the number of its log, and the sequence there. */
export interface Place {
  log: number
  next: number
}

/** The attempt may write nothing more: another one has taken over, or its reply is gone. */
export class LostClaim extends Error {
  constructor(replyId: string) {
    super(`this attempt at reply ${replyId} may write nothing more`)
    this.name = 'LostClaim'
  }
}

interface Writing {
  replyId: string
  attempt: number
  place: Place
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
  /** Hands on what is durable. */
  publish: (replyId: string, events: ReplyEvent[]) => void
  now: Clock
}) {
  const { storage, store, publish, now } = parts
  const gathering = new Set<Writing>()
  let flushing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let lastFlushAt = 0
  let paceMs = minPaceMs
  /** Somebody's first token waits. */
  let isUrgent = false

  /** `onLost` is told once when this attempt may write nothing more, or the log cannot be written. */
  function open(options: {
    replyId: string
    attempt: number
    place: Place
    onLost: (reason: unknown) => void
  }): EventWriter {
    const writing: Writing = { ...options, waiting: [], hasWritten: false, failure: undefined }
    return {
      add(event) {
        if (writing.failure !== undefined) return undefined
        addTo(writing.waiting, event)
        gathering.add(writing)
        schedule({ atOnce: !writing.hasWritten })
        writing.hasWritten = true
        return writing.waiting.length >= maxWaiting ? flushing : undefined
      },
      async finish() {
        gathering.delete(writing)
        const rest = writing.waiting
        writing.waiting = []
        await flushing
        if (writing.failure !== undefined) throw writing.failure
        return { rest, place: writing.place }
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
    const startedAt = performance.now()
    flushing = flush().then(() => {
      flushing = undefined
      lastFlushAt = performance.now()
      paceMs = Math.min(maxPaceMs, Math.max(minPaceMs, paceFactor * (lastFlushAt - startedAt)))
      if (gathering.size > 0) schedule({ atOnce: false })
    })
  }

  async function flush() {
    const batch = [...gathering].map((writing) => ({ writing, events: numbered(writing) }))
    gathering.clear()
    let written: Set<number>
    let tries = 0
    try {
      written = await storage.write((tx) => {
        tries += 1
        return store.insertFenced(tx, batch.map(toBatch), now(), tries > 1)
      })
    } catch (error) {
      for (const { writing } of batch) lose(writing, error)
      return
    }
    for (const { writing, events } of batch) {
      if (written.has(writing.place.log)) publish(writing.replyId, events)
      else lose(writing, new LostClaim(writing.replyId))
    }
  }

  function lose(writing: Writing, reason: unknown) {
    writing.failure = reason
    writing.waiting = []
    gathering.delete(writing)
    writing.onLost(reason)
  }

  function numbered(writing: Writing): ReplyEvent[] {
    const { log, next } = writing.place
    const events = numberEvents(writing.waiting, next)
    writing.place = { log, next: next + events.length }
    writing.waiting = []
    return events
  }

  return { open }
}

function toBatch({ writing, events }: { writing: Writing; events: ReplyEvent[] }) {
  return { replyId: writing.replyId, attempt: writing.attempt, log: writing.place.log, events }
}

/** Gives `events` their places in the log, from `first` on. */
export function numberEvents(events: NewEvent[], first: number): ReplyEvent[] {
  return events.map(({ type, data }, index) => ({
    sequence: first + index,
    type,
    data: JSON.stringify(data),
  }))
}
