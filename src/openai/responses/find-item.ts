import { isNotFound } from '../../errors.ts'
import type { Message } from '../../messages/message.ts'
import type { Messages } from '../../messages/messages.ts'
import { itemKinds, lastingId, missing, partOf } from '../ids.ts'
import { itemPlaces, shownAt } from '../item-places.ts'
import { phaseOf } from '../items.ts'
import type { FindItem } from './said.ts'

/** Finds what an item that a client only names says, whoever said it. */
export function itemFinder(messages: Pick<Messages, 'find'>, ownerId: string): FindItem {
  return async (id, field) => {
    const place = { in: 'body', field } as const
    const itemId = lastingId(id)
    const { kind, uuid } = partOf(itemKinds, itemId, place)
    const message = await findMessage(uuid)
    const item = message && itemPlaces(message).find((each) => each.id === itemId)
    if (!message || !item) throw missing(kind, id, place)
    const { type } = item
    const content = shownAt(message, item)
    return { type, role: message.role, content, phase: type === 'message' ? phaseOf(message) : undefined }
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
