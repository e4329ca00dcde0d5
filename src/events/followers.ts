import { endsWith, type ReplyEvent } from './event.ts'

/** Events that may wait in memory for one reader; one that falls further behind reads from the log. */
const maxWaiting = 256
const pageSize = 500

/** A reply that is followed here. */
interface Followed {
  followers: Set<Follower>
  /** The sequence of the last event that was read or published here. */
  known: number | undefined
}

interface Follower {
  waiting: ReplyEvent[]
  /** Some of what was published was not kept for this reader: the log has it. */
  isBehind: boolean
  /** The last event that its reader has. */
  cursor: number
  /** The reply has ended, as far as is known here: nothing more is waited for. */
  isOver: boolean
  /** The reply was removed. */
  isGone: boolean
  wake: () => void
}

/** The end of a log, for who reads it by and by. */
export interface Tail {
  /** Whether asking for more may give something. */
  readonly hasNews: boolean
  /** Whether nothing will come any more: the reply has ended, or is gone. */
  readonly isOver: boolean
  /** The next events, in order and without gaps; none where there are none yet. */
  take(): Promise<ReplyEvent[]>
  close(): void
}

type Read = (replyId: string, after: number, limit: number) => Promise<ReplyEvent[]>

/**
 * Hands committed events to whoever follows a reply here. A reader subscribes first, then reads the log, then
 * goes live, so that nothing falls between the two; what it holds in memory is bounded, because whatever it
 * misses is in the log.
 */
export function createFollowers(read: Read, isThere: (replyId: string) => Promise<boolean>) {
  const byReply = new Map<string, Followed>()

  function followersOf(replyId: string): Iterable<Follower> {
    return byReply.get(replyId)?.followers ?? []
  }

  function learn(replyId: string, last: ReplyEvent | undefined) {
    const followed = byReply.get(replyId)
    if (followed && last) followed.known = Math.max(followed.known ?? 0, last.sequence)
  }

  /** Only for events that are durable. */
  function publish(replyId: string, events: ReplyEvent[]): void {
    const last = events.at(-1)
    learn(replyId, last)
    // Of two that are published out of their order the earlier one says nothing of the end.
    const isNewest = last?.sequence === byReply.get(replyId)?.known
    for (const follower of followersOf(replyId)) {
      // Said apart from the event itself: a reader that asked for what is behind the end never sees that.
      if (isNewest) follower.isOver = endsWith(events) ?? follower.isOver
      if (follower.waiting.length + events.length > maxWaiting) {
        follower.waiting = []
        follower.isBehind = true
      } else {
        follower.waiting.push(...events)
      }
      follower.wake()
    }
  }

  /** Ends every reader of a reply that is gone. */
  function end(replyId: string): void {
    for (const follower of followersOf(replyId)) {
      follower.isGone = true
      follower.wake()
    }
  }

  /** Something was written to the log of a reply, elsewhere: its readers look there. */
  function wake(replyId: string): void {
    for (const follower of followersOf(replyId)) {
      follower.isBehind = true
      follower.wake()
    }
  }

  /**
   * Compares what readers have with what the logs of their replies hold, for what nobody told: `lastOf` says the
   * last sequence of each reply that is still there.
   */
  async function look(lastOf: (replyIds: string[]) => Promise<Map<string, number>>): Promise<void> {
    const followed = [...byReply.keys()]
    for (let from = 0; from < followed.length; from += pageSize) {
      const replyIds = followed.slice(from, from + pageSize)
      const last = await lastOf(replyIds)
      for (const replyId of replyIds) {
        const sequence = last.get(replyId)
        if (sequence === undefined) end(replyId)
        else if (isBehind(replyId, sequence)) wake(replyId)
      }
    }
  }

  function isBehind(replyId: string, sequence: number): boolean {
    return [...followersOf(replyId)].some(({ cursor }) => cursor < sequence)
  }

  /**
   * The events behind `after`, in order and without gaps, as they become durable; ends after the last one, or
   * when `signal` aborts. An end that something follows in the log is not the last one: the reply was requeued. Of
   * a reply that `hasEnded` nothing is waited for. Reading on asks for more: a reader that is slow holds nobody up.
   */
  async function* follow(
    replyId: string,
    after: number,
    signal: AbortSignal,
    hasEnded = false,
  ): AsyncGenerator<ReplyEvent[]> {
    const follower: Follower = {
      waiting: [],
      isBehind: true,
      cursor: after,
      isOver: hasEnded,
      isGone: false,
      wake: () => {},
    }
    subscribe(replyId, follower)
    let wasSeen = false
    const onAbort = () => follower.wake()
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        const events = await take(replyId, follower, follower.cursor)
        const last = events.at(-1)
        if (last) {
          wasSeen = true
          learn(replyId, last)
          yield events
          follower.cursor = last.sequence
          follower.isOver = endsWith(events) ?? follower.isOver
        } else if (follower.waiting.length === 0 && !follower.isBehind) {
          if (follower.isOver || follower.isGone) return
          if (!wasSeen) {
            // It may have been removed between its post and this reader, who would wait for ever.
            wasSeen = await isThere(replyId)
            if (!wasSeen) return
            continue
          }
          await new Promise<void>((resolve) => {
            follower.wake = resolve
            if (signal.aborted || follower.isOver || follower.isGone) resolve()
          })
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      unsubscribe(replyId, follower)
    }
  }

  /** The same for who reads several logs at a time: `onNews` is called when asking this one may give something. */
  function tail(replyId: string, after: number, onNews: () => void): Tail {
    const follower: Follower = {
      waiting: [],
      isBehind: true,
      cursor: after,
      isOver: false,
      isGone: false,
      wake: onNews,
    }
    subscribe(replyId, follower)
    return {
      get hasNews() {
        return follower.isBehind || follower.waiting.length > 0
      },
      get isOver() {
        return follower.isOver || follower.isGone
      },
      async take() {
        const events = await take(replyId, follower, follower.cursor)
        learn(replyId, events.at(-1))
        follower.cursor = events.at(-1)?.sequence ?? follower.cursor
        return events
      },
      close: () => unsubscribe(replyId, follower),
    }
  }

  async function take(replyId: string, follower: Follower, cursor: number): Promise<ReplyEvent[]> {
    if (follower.isBehind) {
      follower.isBehind = false
      const events = await read(replyId, cursor, pageSize)
      if (events.length === pageSize) follower.isBehind = true
      return events
    }
    const events = follower.waiting.filter(({ sequence }) => sequence > cursor)
    follower.waiting = []
    // Two who wrote in the same moment may be published in any order, and here only the second may be known.
    if (events.some(({ sequence }, index) => sequence !== cursor + 1 + index)) {
      follower.isBehind = true
      return []
    }
    return events
  }

  function subscribe(replyId: string, follower: Follower) {
    const followed = byReply.get(replyId)
    if (followed) followed.followers.add(follower)
    else byReply.set(replyId, { followers: new Set([follower]), known: undefined })
  }

  function unsubscribe(replyId: string, follower: Follower) {
    const followed = byReply.get(replyId)
    followed?.followers.delete(follower)
    if (followed?.followers.size === 0) byReply.delete(replyId)
  }

  return {
    publish,
    end,
    wake,
    look,
    follow,
    tail,
    /** Whether somebody follows the reply here. */
    has: (replyId: string) => byReply.has(replyId),
    /** The sequence of the last event of the reply that is known here. */
    known: (replyId: string) => byReply.get(replyId)?.known,
  }
}

export type Followers = ReturnType<typeof createFollowers>
