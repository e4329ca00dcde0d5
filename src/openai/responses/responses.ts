import { isNotFound } from '../../errors.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import type { Message } from '../../messages/message.ts'
import type { Messages } from '../../messages/messages.ts'
import { retriedWithinMs } from '../../replies/just-made.ts'
import { saidFor } from '../../replies/options.ts'
import type { AskedReply, Replies } from '../../replies/replies.ts'
import { found, missing, openAiId, uuidOf } from '../ids.ts'
import { copiedBefore, isStored, keptOf } from './asked.ts'
import { createAsking } from './asking.ts'
import { createOriginFinder, wayOf } from './origin.ts'

const pageSize = 100

export type Responses = ReturnType<typeof createResponses>

/** The verbs of responses: a response is a reply, and what was said for it. */
export function createResponses(parts: {
  interactions: Pick<Interactions, 'create' | 'expireIn' | 'find'>
  messages: Pick<Messages, 'find' | 'list'>
  replies: Pick<
    Replies,
    'findAsked' | 'forget' | 'keep' | 'mayPost' | 'post' | 'postBehind' | 'postIn' | 'waitForEnd'
  >
}) {
  const { interactions, messages, replies } = parts
  const originOf = createOriginFinder({ ...parts, find, findMade })

  /** A response that is stored, by its id on the wire. */
  async function find(ownerId: string, responseId: string): Promise<AskedReply> {
    const made = await findMade(ownerId, uuidOf('resp_', responseId, { in: 'path', field: 'id' }))
    if (!isStored(keptOf(made.options)?.told)) throw missing('resp_', responseId)
    return made
  }

  /** The response that was made as that reply, also where it is only to be delivered. */
  async function findMade(ownerId: string, id: string): Promise<AskedReply> {
    return found('resp_', openAiId('resp_', id), replies.findAsked(ownerId, id))
  }

  /** What was said for a response, oldest first, as far as it is still there. */
  async function inputOf({ reply, options }: AskedReply): Promise<Message[]> {
    const count = saidFor(options)
    const first = reply.position - count
    const input: Message[] = []
    let after = reply.id
    for (;;) {
      const request = { limit: pageSize, order: 'desc', after } as const
      const { data, hasMore } = await messages.list(wayOf(reply), request)
      const its = data.filter(({ position, making }) => position >= first && making === null)
      input.push(...its)
      if (its.length < data.length || !hasMore) return input.toReversed()
      after = data.at(-1)?.id ?? after
    }
  }

  /** Removes a response and what was said for it; what belongs to a conversation stays in that. */
  async function remove(ownerId: string, responseId: string): Promise<void> {
    await forget(ownerId, await find(ownerId, responseId))
  }

  async function forget(ownerId: string, { reply, options }: AskedReply): Promise<void> {
    const { id, interactionId } = reply
    const kept = keptOf(options)
    if (kept && !kept.told.conversation) {
      const turn = { said: saidFor(options), copied: copiedBefore(options) }
      return found('resp_', openAiId('resp_', id), replies.forget(ownerId, id, turn))
    }
    // What another door asked for is a conversation's, too.
    const { told } = kept ?? { told: { conversation: { id: openAiId('conv_', interactionId) } } }
    return replies.keep(ownerId, id, { told: { ...told, store: false } })
  }

  /**
   * Of one that is not to be stored: it was delivered, and goes unless it is gone; later, where its client may have
   * lost it and come again.
   */
  async function delivered(ownerId: string, made: AskedReply, { mayReturn = false } = {}): Promise<void> {
    const { told } = keptOf(made.options) ?? {}
    if (isStored(told) || told?.conversation) return
    if (mayReturn && (await interactions.expireIn(ownerId, made.reply.interactionId, retriedWithinMs))) return
    await forget(ownerId, made).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  }

  return {
    create: createAsking({ ...parts, originOf }),
    originOf,
    find,
    findMade,
    inputOf,
    remove,
    delivered,
  }
}
