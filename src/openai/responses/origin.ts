import { isNotFound, ParleyError } from '../../errors.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import type { Message } from '../../messages/message.ts'
import type { Way } from '../../messages/messages.ts'
import type { AskedReply } from '../../replies/replies.ts'
import { found, openAiId, uuidOf } from '../ids.ts'
import { isStored, type Told } from './asked.ts'
import type { CreateRequest } from './request.ts'

/** Where a response goes on, and what it tells of that. */
export interface Origin {
  way: Way | undefined
  /** The response that it follows, and how that was asked for. */
  previous: AskedReply['reply'] | undefined
  options: AskedReply['options']
  told: Pick<Told, 'conversation' | 'previous_response_id'>
}

const nowhere: Origin = { way: undefined, previous: undefined, options: {}, told: {} }

/** Finds where a request goes on. */
export function createOriginFinder(parts: {
  interactions: Pick<Interactions, 'find'>
  /** A response that is stored, by its id on the wire. */
  find: (ownerId: string, responseId: string) => Promise<AskedReply>
  /** One that was made as that reply. */
  findMade: (ownerId: string, replyId: string) => Promise<AskedReply>
}) {
  const { interactions, find, findMade } = parts

  /** `unstored` is the id of a reply that is not stored, and may be followed here. */
  return async function originOf(
    ownerId: string,
    asked: Pick<CreateRequest, 'conversation' | 'previous_response_id' | 'store'>,
    unstored?: string,
  ): Promise<Origin> {
    const { conversation, previous_response_id: previousId } = asked
    if (conversation) {
      const id = typeof conversation === 'string' ? conversation : conversation.id
      const place = { in: 'body', field: 'conversation' } as const
      const way = await found('conv_', id, interactions.find(ownerId, uuidOf('conv_', id, place)), place)
      return { ...nowhere, way, told: { conversation: { id: openAiId('conv_', way.id) } } }
    }
    if (!previousId) return nowhere
    const isUnstored = unstored !== undefined && previousId === openAiId('resp_', unstored)
    if (isUnstored && isStored(asked)) throw behindUnstored()
    const { reply, options } = isUnstored
      ? await findMade(ownerId, unstored)
      : await findPrevious(ownerId, previousId)
    const told = { previous_response_id: openAiId('resp_', reply.id) }
    return { way: wayOf(reply), previous: reply, options, told }
  }

  async function findPrevious(ownerId: string, id: string): Promise<AskedReply> {
    try {
      return await find(ownerId, id)
    } catch (error) {
      const isNone = isNotFound(error) || (error instanceof ParleyError && error.code === 'invalid_request')
      throw isNone ? noPrevious(id) : error
    }
  }
}

/** The branch of a message. */
export function wayOf({ interactionId, branch }: Message): Way {
  return { id: interactionId, currentBranch: branch }
}

/** There is no such response to follow, or it is not stored. */
export function noPrevious(id: string): ParleyError {
  const message = `Previous response with id '${id.slice(0, 100)}' not found.`
  return new ParleyError('previous_response_not_found', message, {
    fields: [{ in: 'body', field: 'previous_response_id', message }],
  })
}

function behindUnstored(): ParleyError {
  const message = 'must be false behind a response that is not stored'
  return new ParleyError('invalid_request', `store: ${message}`, {
    fields: [{ in: 'body', field: 'store', message }],
  })
}
