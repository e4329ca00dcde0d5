import { isEnd, type ReplyEvent } from '../events/event.ts'
import type { Tail } from '../events/followers.ts'
import type { FeedEvent, Told } from './event.ts'
import type { LogPlace, Place } from './place.ts'
import type { FeedSources } from './sources.ts'

/** How often one log that still grows is asked before something else is looked at. */
const maxTakes = 8

/** Reads the logs of the replies that `place` is in, and moves it with what they tell. */
export function createLogs(
  given: Pick<FeedSources, 'interactionId' | 'changes' | 'tail' | 'repliesBetween' | 'findMessage'> & {
    place: Place
    signal: AbortSignal
    /** Called when a log may have more. */
    onNews: () => void
  },
) {
  const { interactionId, changes, place, signal, onNews } = given
  const tails = new Map<number, Tail>()

  /** What they hold by now, one after the other. */
  async function* tell(): AsyncGenerator<FeedEvent[]> {
    for (let hasEnded = true; hasEnded && !signal.aborted;) {
      hasEnded = false
      const { missing } = place
      if (missing) place.found(await given.repliesBetween(missing), missing.limit)
      for (const [position, log] of place.logs()) {
        yield* tellOne(position, log)
        hasEnded ||= !place.isUnread(position)
      }
    }
  }

  async function* tellOne(position: number, log: LogPlace): AsyncGenerator<FeedEvent[]> {
    for (let takes = 0; place.isUnread(position) && !signal.aborted; takes += 1) {
      const tail = tailOf(position, log)
      if (!tail.hasNews) {
        if (log.isOpen && !tail.isOver) return
        yield* tellLost(position, log)
        return
      }
      if (takes === maxTakes && log.isOpen) return
      const events = await tail.take()
      const at = events.findIndex(({ type }) => isEnd(type))
      const others = at === -1 ? events : events.slice(0, at)
      if (others.length > 0) yield others.map((event) => tellEvent(log, event))
      const last = events[at]
      if (last) yield [await tellEnd(position, log, last)]
    }
  }

  function tellEvent(log: LogPlace, event: ReplyEvent): FeedEvent {
    log.sequence = event.sequence
    return { ...toldOf(log, event), cursor: place.cursor }
  }

  /** A reply that was made once more has more than one end; the last of those that were told of ends its log. */
  async function tellEnd(position: number, log: LogPlace, event: ReplyEvent): Promise<FeedEvent> {
    const afterEvent = event.sequence
    log.sequence = afterEvent
    const goesOn =
      place.change > 0 &&
      (await changes.wasRequeued({ interactionId, to: place.change, position, afterEvent }))
    if (goesOn) {
      log.isOpen = true
      closeTail(position)
    } else {
      end(position)
    }
    return { ...toldOf(log, event), cursor: place.cursor }
  }

  /** It has ended, and how is not kept any more: what came of it is in the message. */
  async function* tellLost(position: number, { replyId }: LogPlace): AsyncGenerator<FeedEvent[]> {
    const message = await given.findMessage(replyId)
    end(position)
    if (message) yield [{ type: 'message.changed', message, cursor: place.cursor }]
  }

  function toldOf({ replyId }: LogPlace, { type, data }: ReplyEvent): Told {
    return { type, replyId, json: data }
  }

  function tailOf(position: number, { replyId, sequence }: LogPlace): Tail {
    const found = tails.get(position)
    if (found) return found
    const tail = given.tail(replyId, sequence, onNews)
    tails.set(position, tail)
    return tail
  }

  function closeTail(position: number) {
    tails.get(position)?.close()
    tails.delete(position)
  }

  /** Reads no more of the reply at `position`. */
  function end(position: number) {
    closeTail(position)
    place.end(position)
  }

  return {
    tell,
    end,
    get hasNews() {
      return [...tails.values()].some(({ hasNews, isOver }) => hasNews || isOver)
    },
    close() {
      for (const position of tails.keys()) closeTail(position)
    },
  }
}
