import { isNotFound } from '../../errors.ts'
import type { ContentPart } from '../../messages/content.ts'
import type { Message } from '../../messages/message.ts'
import type { Messages } from '../../messages/messages.ts'
import { isSameItem, itemKinds, missing, partOf } from '../ids.ts'
import { type ItemPlace, itemPlaces, shownAt, storedAt } from '../item-places.ts'
import { broughtWith } from '../items.ts'
import type { FindItem } from './said.ts'

/** Finds what an item that a client only names says, whoever said it. */
export function itemFinder(messages: Pick<Messages, 'find'>, ownerId: string): FindItem {
  return async (id, field) => {
    const place = { in: 'body', field } as const
    const { kind, uuid } = partOf(itemKinds, id, place)
    const message = await findMessage(uuid)
    const item = message && itemPlaces(message).find((each) => isSameItem(each.id, id))
    if (!message || !item) throw missing(kind, id, place)
    const { type } = item
    const metadata = type === 'message' ? broughtWith(message) : {}
    return { type, role: message.role, content: saidAt(message, item), metadata }
  }

  async function findMessage(uuid: string): Promise<Message | undefined> {
    try {
      return await messages.find(ownerId, uuid)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}

/** What an item says, and what its provider needs back with that. */
function saidAt(message: Message, item: ItemPlace): ContentPart[] {
  const isMade = item.type === 'reasoning' || item.type === 'function_call'
  return isMade ? storedAt(message, item) : shownAt(message, item)
}
