import { isNotFound, isRemoved, notFound, ParleyError } from '../../errors.ts'
import type { Once } from '../../idempotency/idempotency.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import { isOpen, type Message } from '../../messages/message.ts'
import type { Messages, Way } from '../../messages/messages.ts'
import type { AskedReply, NewTurn, Posted, Replies } from '../../replies/replies.ts'
import { found, openAiId } from '../ids.ts'
import { copiedBefore, isStored, keptOf, optionsOf, toldOf } from './asked.ts'
import { checkCalls } from './calls.ts'
import { itemFinder } from './find-item.ts'
import { type createOriginFinder, noPrevious, type Origin } from './origin.ts'
import type { CreateRequest } from './request.ts'
import { saidIn } from './said.ts'

/** How long a response that is not to be stored waits for whoever asked for it. */
const deliveredWithinMs = 7_200_000
/** As long as a timer can be set: a reply ends before, by limits of its own. */
const maxWaitMs = 2 ** 31 - 1

/** What is asked for, in an interaction that begins with so many copies; undefined where that is not its own. */
type TurnIn = (copied: number | undefined) => NewTurn

/** Asks for responses: begins a conversation, or goes on with one, or behind another response. */
export function createAsking(parts: {
  interactions: Pick<Interactions, 'create'>
  messages: Pick<Messages, 'find' | 'list'>
  replies: Pick<Replies, 'mayPost' | 'post' | 'postBehind' | 'postIn' | 'waitForEnd'>
  originOf: ReturnType<typeof createOriginFinder>
}) {
  const { interactions, messages, replies, originOf } = parts

  /**
   * Stores what was said and the reply to it, and resolves with the id of that. It may follow `unstored`, the id of a
   * reply that is not stored, as well as any that is.
   */
  return async function create(
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
    const turnIn: TurnIn = (copied) => ({
      said,
      wantsReply: true,
      model: asked.model ?? undefined,
      isKept: isStored(asked),
      options: optionsOf(asked, { copied, told }),
      keepsSettings: true,
      also: (tx, { reply }) => once.remember(tx, { response: reply?.id ?? null }),
    })
    const { reply } = await post(ownerId, asked, origin, turnIn, once)
    if (!reply) throw notFound('Response')
    return reply.id
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

  function post(ownerId: string, asked: CreateRequest, origin: Origin, turnIn: TurnIn, once: Once) {
    const { way, previous, options } = origin
    if (previous) return goOnBehind(ownerId, asked, { reply: previous, options }, turnIn, once)
    if (way) return postTo(ownerId, way, turnIn(undefined))
    return begin(ownerId, asked, turnIn(0), once)
  }

  /** In the conversation that the request names. */
  function postTo(ownerId: string, { id }: Way, turn: NewTurn): Promise<Posted> {
    const place = { in: 'body', field: 'conversation' } as const
    return found('conv_', openAiId('conv_', id), replies.post(ownerId, id, turn), place)
  }

  async function begin(ownerId: string, asked: CreateRequest, turn: NewTurn, once: Once): Promise<Posted> {
    let posted: Posted | undefined
    await interactions.create(
      ownerId,
      { model: asked.model ?? undefined },
      {
        keptMs: keptMsOf(asked, once),
        also: async (tx, { id }) => {
          posted = await replies.postIn(tx, ownerId, id, turn)
        },
      },
    )
    if (!posted) throw new Error('an interaction was made without its messages')
    return posted
  }

  /**
   * Behind a response. In a conversation is only said what names it, and among what is stored only what is to be
   * stored, too.
   */
  async function goOnBehind(
    ownerId: string,
    asked: CreateRequest,
    { reply, options }: AskedReply,
    turnIn: TurnIn,
    once: Once,
  ): Promise<Posted> {
    const own = copiedBefore(options)
    const isWelcome = own !== undefined && isStored(keptOf(options)?.told) === isStored(asked)
    try {
      if (!isWelcome && !isStored(asked)) await whenEnded(ownerId, reply)
      return await replies.postBehind(ownerId, reply, {
        isWelcome,
        keptMs: keptMsOf(asked, once),
        before: once.check,
        turnBehind: (copied) => turnIn(copied ?? own),
      })
    } catch (error) {
      throw explainRefusal(error, reply)
    }
  }

  /** There is nothing to copy of an answer before it is there. */
  async function whenEnded(ownerId: string, { id }: Message): Promise<void> {
    const { making } = await replies.waitForEnd(ownerId, id, maxWaitMs, new AbortController().signal)
    if (!making || !isOpen(making.status)) return
    throw new ParleyError('server_stopping', 'The server is stopping; nothing was stored.', {
      retryAfterMs: 1_000,
    })
  }
}

function keptMsOf(asked: Pick<CreateRequest, 'store'>, once: Once): number | undefined {
  return isStored(asked) ? undefined : Math.max(once.comesAgainWithinMs, deliveredWithinMs)
}

/** Why a response cannot be followed, in the words of this door. */
function explainRefusal(error: unknown, { id, making }: Message): unknown {
  const responseId = openAiId('resp_', id)
  if (isNotFound(error) || isRemoved(error)) return noPrevious(responseId)
  if (!(error instanceof ParleyError) || error.code !== 'conflict') return error
  const why =
    making && isOpen(making.status)
      ? 'As many wait for it as may: ask again when it has ended.'
      : `${error.message} Name its conversation, or send what is needed as input.`
  const message = `Response '${responseId}' cannot be followed. ${why}`
  return new ParleyError('invalid_request', message, {
    fields: [{ in: 'body', field: 'previous_response_id', message }],
  })
}
