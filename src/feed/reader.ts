import type { Change } from '../events/change.ts'
import type { Head } from '../events/change-store.ts'
import { isOpen, type Message } from '../messages/message.ts'
import { asPosted } from '../replies/post.ts'
import type { FeedEvent, Told } from './event.ts'
import { nextItems } from './items.ts'
import { createLogs } from './logs.ts'
import type { Place } from './place.ts'
import type { FeedSources } from './sources.ts'

/**
 * Tells what happens in an interaction behind `place`, and moves it with what is told: messages and changes in the
 * order in which they were stored, in front of each what the logs of the replies hold by then. How far the
 * interaction is is read before its logs are, so that whatever a change came after is there when it is told.
 */
export async function* readFeed(
  given: FeedSources & { place: Place; signal: AbortSignal },
): AsyncGenerator<FeedEvent[]> {
  const { interactionId, changes, place, signal } = given
  let wake = () => {}
  let isStale = true
  let head: Head = { position: 0, change: 0 }
  const logs = createLogs({ ...given, onNews: () => wake() })
  const unwatch = changes.watch(interactionId, () => {
    isStale = true
    wake()
  })
  const onAbort = () => wake()
  signal.addEventListener('abort', onAbort)
  try {
    while (!signal.aborted) {
      if (isStale) {
        isStale = false
        const found = await changes.headOf(interactionId)
        if (!found) {
          yield [{ type: 'interaction.deleted', data: { interaction_id: interactionId }, cursor: undefined }]
          return
        }
        head = found
      }
      yield* logs.tell()
      if (yield* tellItems()) continue
      await new Promise<void>((resolve) => {
        wake = resolve
        if (isStale || logs.hasNews || signal.aborted) resolve()
      })
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    unwatch()
    logs.close()
  }

  /** The next messages and changes; resolves with whether that brought the reader on. */
  async function* tellItems(): AsyncGenerator<FeedEvent[], boolean> {
    if (place.position >= head.position && place.change >= head.change) return false
    const { items, isAll } = await nextItems(given, place, head)
    for (const [at, item] of items.entries()) {
      yield* logs.tell()
      if (signal.aborted) return true
      if ('message' in item) {
        yield [told(created(item.message))]
        continue
      }
      const said = await saidBy(item.change)
      // It waits for the end of a log, and what is behind it does, too.
      if (said === 'later') return at > 0
      place.tellChange(item.change.sequence)
      if (said) yield [told(said)]
    }
    // What is not among them was removed.
    if (isAll) {
      place.tellTo(head.position)
      place.tellChange(head.change)
    }
    return true
  }

  function told(said: Told): FeedEvent {
    return { ...said, cursor: place.cursor }
  }

  /** A reply as it was when it was asked for: what came of it is in its log. */
  function created(message: Message): Told {
    const { making, position, id } = message
    place.tellTo(position, making ? { position, replyId: id, isOpen: isOpen(making.status) } : undefined)
    return { type: 'message.created', message: making ? asPosted(message) : message }
  }

  /** What a change says; undefined where it is of something that is gone, `later` where it is not its time. */
  async function saidBy({ type, data }: Change): Promise<Told | 'later' | undefined> {
    switch (type) {
      case 'interaction.changed': {
        const interaction = await given.findInteraction()
        return interaction && { type, interaction }
      }
      case 'message.changed': {
        const message = await given.findMessage(data.message_id)
        // Its log would say again what it was before.
        if (message?.making && place.isUnread(data.position)) return 'later'
        return message && { type, message }
      }
      case 'message.deleted':
        logs.end(data.position)
        return { type, data }
      case 'branch.created':
        return { type, data }
      case 'reply.requeued':
        if (!place.hasRoom) return 'later'
        place.reopen({ position: data.position, replyId: data.message_id, isOpen: true }, data.after_event)
        // Its log says so itself, with what follows.
        return undefined
      default:
        // Of a later version: the readers of this one do not know it.
        return undefined
    }
  }
}
