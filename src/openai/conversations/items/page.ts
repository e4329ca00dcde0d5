import { ParleyError } from '../../../errors.ts'
import type { Interaction } from '../../../interactions/interaction.ts'
import type { Message } from '../../../messages/message.ts'
import type { Messages } from '../../../messages/messages.ts'
import { listView } from '../../list.ts'
import { isSameItem, itemKinds, partOf } from '../../ids.ts'
import type { Item } from '../../item.ts'
import { itemsOf } from '../../items.ts'

export interface ItemPageRequest {
  limit: number
  order: 'asc' | 'desc'
  after?: string | undefined
}

/**
 * A page of the items of a conversation. They stand in messages, of which each makes none, one or several: so many
 * messages are read as have a page of items. `find` finds the message of an item that belongs to it.
 */
export async function pageOfItems(
  messages: Pick<Messages, 'list'>,
  conversation: Interaction,
  { limit, order, after }: ItemPageRequest,
  find: (itemId: string) => Promise<Message>,
) {
  const items: Item[] = []
  let cursor: string | undefined
  if (after !== undefined) {
    const { uuid } = partOf(itemKinds, after, { in: 'query', field: 'after' })
    const own = inOrder(await find(after), order)
    const at = own.findIndex(({ id }) => isSameItem(id, after))
    if (at === -1) throw noItem()
    items.push(...own.slice(at + 1))
    cursor = uuid
  }
  // Each page starts where the one before it ended; one more item than asked for says that there are more.
  for (let hasMore = true; hasMore && items.length <= limit;) {
    const page = await messages.list(conversation, { limit: Math.min(limit + 1, 100), order, after: cursor })
    for (const message of page.data) items.push(...inOrder(message, order))
    cursor = page.data.at(-1)?.id ?? cursor
    ;({ hasMore } = page)
  }
  return listView(items.slice(0, limit), items.length > limit)
}

function inOrder(message: Message, order: 'asc' | 'desc'): Item[] {
  const items = itemsOf(message)
  return order === 'asc' ? items : items.toReversed()
}

function noItem(): ParleyError {
  const message = 'is no item of this conversation'
  return new ParleyError('invalid_request', `after: ${message}`, {
    fields: [{ in: 'query', field: 'after', message }],
  })
}
