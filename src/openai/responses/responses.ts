import { notFound, ParleyError } from '../../errors.ts'
import type { Once } from '../../idempotency/idempotency.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import type { Message } from '../../messages/message.ts'
import type { Messages, Way } from '../../messages/messages.ts'
import type { AskedReply, Posted, Replies } from '../../replies/replies.ts'
import { missing, openAiId, uuidOf } from '../ids.ts'
import { keptOf, optionsOf, type Told, toldOf } from './asked.ts'
import { checkCalls } from './calls.ts'
import { itemFinder } from './find-item.ts'
import type { CreateRequest } from './request.ts'
import { saidIn } from './said.ts'

/** How long a response that is not to be stored waits for whoever asked for it. */
const deliveredWithinMs = 7_200_000
const pageSize = 100

export type Responses = ReturnType<typeof createResponses>

/** Where a response goes on, and what it tells of that. */
interface Origin {
  way: Way | undefined
  /** The response that it follows. */
  previous: Message | undefined
  told: Pick<Told, 'conversation' | 'previous_response_id'>
}

/** The verbs of responses: a response is a reply, and what was said for it. */
export function createResponses(parts: {
  interactions: Pick<Interactions, 'create' | 'find' | 'remove'>
  messages: Pick<Messages, 'find' | 'list' | 'branchesOf' | 'remove'>
  replies: Pick<Replies, 'findAsked' | 'keep' | 'mayPost' | 'post' | 'postIn'>
}) {
  const { interactions, messages, replies } = parts

  /**
   * Stores what was said and the reply to it, and resolves with the id of that. It may follow `unstored`, the id of a
   * reply that is not stored, as well as any that is.
   */
  async function create(
    ownerId: string,
    asked: CreateRequest,
    once: Once,
    unstored?: string,
  ): Promise<string> {
    replies.mayPost({ wantsReply: true })
    const origin = await originOf(ownerId, asked, unstored)
    const said = await saidIn(asked.input ?? [], itemFinder(messages, ownerId))
    await checkCalls(messages, said, asked.input ?? [], origin)
    if (said.length === 0) await mustHaveSaid(origin)
    const told = { ...toldOf(asked), ...origin.told }
    const turn = {
      said,
      wantsReply: true,
      // Behind one that has a follower it goes another way.
      parentId: origin.previous?.id,
      model: asked.model ?? undefined,
      options: optionsOf(asked, { said: said.length, told }),
      keepsSettings: true,
      also: (tx: Parameters<Once['remember']>[0], { reply }: Posted) =>
        once.remember(tx, { response: reply?.id ?? null }),
    }
    if (origin.way) return idOf(await replies.post(ownerId, origin.way.id, turn))
    let posted: Posted | undefined
    await interactions.create(
      ownerId,
      { model: asked.model ?? undefined },
      {
        ...(asked.store === false && { keptMs: deliveredWithinMs }),
        also: async (tx, { id }) => {
          posted = await replies.postIn(tx, ownerId, id, turn)
        },
      },
    )
    if (!posted) throw new Error('an interaction was made without its messages')
    return idOf(posted)
  }

  /** Where a request goes on. */
  async function originOf(
    ownerId: string,
    asked: Pick<CreateRequest, 'conversation' | 'previous_response_id' | 'store'>,
    unstored?: string,
  ): Promise<Origin> {
    const { conversation, previous_response_id: previousId } = asked
    if (conversation) {
      const id = typeof conversation === 'string' ? conversation : conversation.id
      const field = { in: 'body', field: 'conversation' } as const
      const interaction = await interactions.find(ownerId, uuidOf('conv_', id, field))
      const told = { conversation: { id: openAiId('conv_', interaction.id) } }
      return { way: interaction, previous: undefined, told }
    }
    if (!previousId) return { way: undefined, previous: undefined, told: {} }
    const isUnstored = unstored !== undefined && previousId === openAiId('resp_', unstored)
    if (isUnstored && asked.store !== false) throw behindUnstored()
    const { reply } = await (isUnstored ? findMade(ownerId, unstored) : findPrevious(ownerId, previousId))
    const told = { previous_response_id: openAiId('resp_', reply.id) }
    return { way: wayOf(reply), previous: reply, told }
  }

  /** Refuses to have answered what nobody has said anything in yet. */
  async function mustHaveSaid({ way, previous }: Origin): Promise<void> {
    if (previous) return
    const { data } = way ? await messages.list(way, { limit: 1, order: 'desc' }) : { data: [] }
    if (data.length > 0) return
    const message = 'is required: nothing was said in this conversation yet'
    throw new ParleyError('invalid_request', `input ${message}`, {
      fields: [{ in: 'body', field: 'input', message }],
    })
  }

  async function findPrevious(ownerId: string, id: string): Promise<AskedReply> {
    try {
      return await find(ownerId, id)
    } catch (error) {
      if (!(error instanceof ParleyError) || !['not_found', 'invalid_request'].includes(error.code))
        throw error
      const message = `Previous response with id '${id.slice(0, 100)}' not found.`
      throw new ParleyError('previous_response_not_found', message, {
        fields: [{ in: 'body', field: 'previous_response_id', message }],
      })
    }
  }

  /** A response that is stored, by its id on the wire. */
  async function find(ownerId: string, responseId: string): Promise<AskedReply> {
    const found = await findMade(ownerId, uuidOf('resp_', responseId, { in: 'path', field: 'id' }))
    if (keptOf(found.options)?.told.store === false) throw missing('resp_', responseId)
    return found
  }

  /** The response that was made as that reply, also where it is only to be delivered. */
  async function findMade(ownerId: string, id: string): Promise<AskedReply> {
    try {
      return await replies.findAsked(ownerId, id)
    } catch (error) {
      if (error instanceof ParleyError && error.code === 'not_found')
        throw missing('resp_', openAiId('resp_', id))
      throw error
    }
  }

  /** What was said for a response, oldest first, as far as it is still there. */
  async function inputOf({ reply, options }: AskedReply): Promise<Message[]> {
    const count = keptOf(options)?.said ?? 1
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
    const found = await find(ownerId, responseId)
    await forget(ownerId, found)
  }

  async function forget(ownerId: string, found: AskedReply): Promise<void> {
    const { reply } = found
    const kept = keptOf(found.options)
    if (kept?.told.conversation) {
      const told = { ...kept.told, store: false }
      return replies.keep(ownerId, reply.id, { ...kept, told })
    }
    const input = await inputOf(found)
    const isAlone = reply.position === input.length + 1 && !(await hasFollower(reply))
    if (isAlone) return interactions.remove(ownerId, reply.interactionId)
    for (const { id } of [reply, ...input]) await messages.remove(ownerId, id)
  }

  /** Whether anything was said behind it, or beside. */
  async function hasFollower(reply: Message): Promise<boolean> {
    const next = await messages.list(wayOf(reply), { limit: 1, order: 'asc', after: reply.id })
    if (next.data.length > 0) return true
    const others = await messages.branchesOf(reply.interactionId, { limit: 1, order: 'asc' })
    return others.data.length > 0
  }

  /** Of one that is not to be stored: it was delivered. */
  async function delivered(ownerId: string, found: AskedReply): Promise<void> {
    const { store, conversation } = keptOf(found.options)?.told ?? {}
    if (store === false && !conversation) await forget(ownerId, found)
  }

  return { create, originOf, find, findMade, inputOf, remove, delivered }
}

function wayOf({ interactionId, branch }: Message): Way {
  return { id: interactionId, currentBranch: branch }
}

function behindUnstored(): ParleyError {
  const message = 'must be false behind a response that is not stored'
  return new ParleyError('invalid_request', `store: ${message}`, {
    fields: [{ in: 'body', field: 'store', message }],
  })
}

function idOf({ reply }: Posted): string {
  if (!reply) throw notFound('Response')
  return reply.id
}
