import { notFound } from '../errors.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Messages } from '../messages/messages.ts'
import type { MessageStore } from '../messages/store.ts'
import type { Storage } from '../storage/storage.ts'

/** What was asked for at once. */
export interface Turn {
  /** How many messages were posted with the reply. */
  said: number
  /** With how many copies its interaction begins, if that is there for it and what follows it alone. */
  copied?: number | undefined
}

/** Removes a turn: an answer, and what was said for it. */
export function createForget(parts: {
  storage: Storage
  interactions: Pick<Interactions, 'hold' | 'removeIn'>
  messages: Pick<Messages, 'removeIn'>
  store: Pick<MessageStore, 'find' | 'idsSaidWith' | 'hasMoreThan'>
}) {
  const { storage, interactions, messages, store } = parts

  /**
   * Removes all of it in one transaction, and its interaction with the last turn: whoever goes on behind it meanwhile
   * has it, or is refused. Rejects with `not_found` where there is no such reply of the owner's.
   */
  return async function forget(ownerId: string, replyId: string, { said, copied }: Turn): Promise<void> {
    await storage.write(async (tx) => {
      const reply = await store.find(tx, ownerId, replyId)
      if (!reply) throw notFound('Message')
      const { id } = await interactions.hold(tx, ownerId, reply.interactionId)
      const ids = [replyId, ...(await store.idsSaidWith(tx, reply, said))]
      const isLast =
        copied !== undefined && !(await store.hasMoreThan(tx, id, { count: ids.length, behind: copied }))
      if (isLast) return interactions.removeIn(tx, ownerId, id)
      for (const each of ids) await messages.removeIn(tx, ownerId, each)
      return undefined
    })
  }
}
