import type { Change } from '../events/change.ts'
import type { Head } from '../events/change-store.ts'
import type { Message } from '../messages/message.ts'
import type { Place } from './place.ts'
import type { FeedSources } from './sources.ts'

/** They may be long. */
const messagesPerPage = 20
const changesPerPage = 100

/** A message that was posted, or something else that happened. */
export type Item = { message: Message } | { change: Change }

/** What was stored behind `place`, in the order in which it was; not `isAll` where there is more up to `head`. */
export async function nextItems(
  { interactionId, changes, messagesBetween }: FeedSources,
  place: Pick<Place, 'position' | 'change'>,
  head: Head,
): Promise<{ items: Item[]; isAll: boolean }> {
  const { position, change } = place
  const [messages, changed] = await Promise.all([
    position < head.position
      ? messagesBetween({ after: position, to: head.position, limit: messagesPerPage })
      : [],
    change < head.change
      ? changes.read(interactionId, { after: change, to: head.change, limit: changesPerPage })
      : [],
  ])
  return inOrder(messages, changed, {
    isAllMessages: messages.length < messagesPerPage,
    isAllChanges: changed.length < changesPerPage,
  })
}

/**
 * Puts messages and changes in one order: a change says behind which message it came. Of a list that goes on, what
 * comes behind its last one is not known yet.
 */
export function inOrder(
  messages: Message[],
  changed: Change[],
  { isAllMessages, isAllChanges }: { isAllMessages: boolean; isAllChanges: boolean },
): { items: Item[]; isAll: boolean } {
  const items: Item[] = []
  let next = 0
  for (const message of messages) {
    for (let change = changed[next]; change && change.position < message.position; change = changed[next]) {
      items.push({ change })
      next += 1
    }
    if (next === changed.length && !isAllChanges) return { items, isAll: false }
    items.push({ message })
  }
  if (isAllMessages) items.push(...changed.slice(next).map((change) => ({ change })))
  return { items, isAll: isAllMessages && isAllChanges }
}
