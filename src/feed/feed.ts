import { isNotFound, notFound, ParleyError } from '../errors.ts'
import type { Head } from '../events/change-store.ts'
import type { Changes } from '../events/changes.ts'
import type { EventLog } from '../events/log.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Messages } from '../messages/messages.ts'
import { createMessageStore } from '../messages/store.ts'
import type { Storage } from '../storage/storage.ts'
import type { Cursor } from './cursor.ts'
import type { FeedEvent } from './event.ts'
import { createPlace, maxLate, maxNear, type Place } from './place.ts'
import { readFeed } from './reader.ts'
import { createFeedStore } from './store.ts'

/** Where a reader begins: now, with what was said first, or behind what it has. */
export type Beginning = 'now' | 'whole' | Cursor

export type Feed = ReturnType<typeof createFeed>

/** Everything that happens in an interaction, in one stream that can be taken up again behind any of its events. */
export function createFeed(parts: {
  storage: Storage
  interactions: Pick<Interactions, 'find'>
  messages: Pick<Messages, 'find'>
  changes: Changes
  events: Pick<EventLog, 'tail'>
}) {
  const { storage, interactions, messages, changes, events } = parts
  const store = createFeedStore(storage)
  const { between } = createMessageStore(storage)

  /**
   * Finds the place of a reader in an owner's interaction; undefined where the cursor is none of its own. Rejects with
   * `not_found`, and with `events_expired` where what follows the cursor is not kept any more.
   */
  async function begin(ownerId: string, id: string, from: Beginning): Promise<Place | undefined> {
    await interactions.find(ownerId, id)
    const head = await changes.headOf(id)
    if (!head) throw notFound('Interaction')
    if (from === 'whole') return createPlace({ position: 0, change: 0, first: 1 })
    if (from === 'now') return beginNow(id, head)
    if (from.position > head.position || from.change > head.change) return undefined
    const [next] = await changes.read(id, { after: from.change, to: head.change, limit: 1 })
    if (from.change < head.change && next?.sequence !== from.change + 1) throw expired()
    return takeUp(id, from)
  }

  /** Behind what has ended. What is being made is told from its beginning: nowhere else is it to be read. */
  async function beginNow(id: string, head: Head): Promise<Place> {
    const open = await store.openReplies(id, head.position, maxLate + 1)
    const [oldest] = open
    if (!oldest) return createPlace({ ...head, first: head.position + 1 })
    const ended = (await store.lastEnded(id, { after: oldest.position, to: head.position })) ?? 0
    const late = open.filter(({ position }) => position < ended)
    // With more of them some that have ended are told once more, which comes to the same.
    if (late.length === 0 || late.length > maxLate) return createPlace({ ...head, first: oldest.position })
    const place = createPlace({ ...head, first: ended + 1 })
    for (const reply of late) place.addLate(reply, 0)
    return place
  }

  async function takeUp(id: string, cursor: Cursor): Promise<Place> {
    const { position, first, sequence, others } = cursor
    const place = createPlace(cursor)
    const near = await store.repliesBetween(id, { after: first - 1, to: position, limit: maxNear })
    place.found(near, maxNear, new Map([...others, [first, sequence] as const]))
    const late = await store.repliesAt(
      id,
      [...others.keys()].filter((at) => at < first),
    )
    for (const reply of late) {
      const told = others.get(reply.position)
      if (typeof told === 'number') place.addLate(reply, told)
    }
    return place
  }

  /** What happens behind `place`, as it becomes durable, until the interaction is removed or `signal` aborts. */
  function follow(
    ownerId: string,
    id: string,
    place: Place,
    signal: AbortSignal,
  ): AsyncGenerator<FeedEvent[]> {
    return readFeed({
      interactionId: id,
      place,
      signal,
      changes,
      tail: events.tail,
      messagesBetween: (range) => between(id, range),
      repliesBetween: (range) => store.repliesBetween(id, range),
      findMessage: (messageId) => messages.find(ownerId, messageId).catch(undefinedWhereGone),
      findInteraction: () => interactions.find(ownerId, id).catch(undefinedWhereGone),
    })
  }

  return { begin, follow }
}

function undefinedWhereGone(error: unknown): undefined {
  if (!isNotFound(error)) throw error
}

function expired() {
  return new ParleyError(
    'events_expired',
    'What happened since then is not kept any more; read the interaction, and follow it from now on.',
  )
}
