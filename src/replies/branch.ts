import { notFound, ParleyError } from '../errors.ts'
import { isAnswered, type Metadata } from '../interactions/interaction.ts'
import { type InputContent, mustFit, partsOf } from '../messages/content.ts'
import type { Message } from '../messages/message.ts'
import type { Messages } from '../messages/messages.ts'
import { isSaidFor, type ReplyOptions } from './options.ts'
import type { NewTurn, Posted } from './post.ts'
import { impossibleChoice } from './tools.ts'

/** How an answer is asked for, whatever it answers. */
export type Asking = Omit<NewTurn, 'said' | 'wantsReply' | 'parentId'>

/** Another answer to the same, or the same said otherwise: beside what is there, on a branch of its own. */
export function createBranch(parts: {
  messages: Pick<Messages, 'find' | 'behind'>
  /** What a reply was asked beyond its interaction. */
  optionsOf: (id: string) => Promise<ReplyOptions | undefined>
  post: (ownerId: string, interactionId: string, turn: NewTurn) => Promise<Posted>
}) {
  const { messages, optionsOf, post } = parts

  /**
   * Answers anew what the reply `id` answered, as that was asked for unless something else is; or the message `id`
   * itself, as it was answered first.
   * Rejects with `not_found` where there is no such message of the owner's, `invalid_request` where it answers
   * nothing and is none that models answer, or cannot be answered so.
   */
  async function regenerate(ownerId: string, id: string, asking: Asking): Promise<Posted> {
    const message = await messages.find(ownerId, id)
    const answered = message.role === 'AI' ? await answeredBy(ownerId, message) : message
    if (!answered || (answered === message && !isAnswered(message.role))) throw nothingToAnswer()
    const asked = message.making ? ((await optionsOf(id)) ?? {}) : await optionsOfAnswerTo(message)
    const options = merged(asked, asking.options)
    const turn = { ...asking, options, said: [], wantsReply: true, parentId: answered.id }
    return { ...(await postBehind(ownerId, message.interactionId, turn)), answered }
  }

  /**
   * Says `content` in the place of the message `id`, and has it answered, as that was unless something else is asked
   * for, where it is one that models answer; rejects with `invalid_request` where it is none and `mustBeAnswered`.
   */
  async function edit(
    ownerId: string,
    id: string,
    edited: Asking & {
      content: InputContent
      metadata?: Metadata | undefined
      mustBeAnswered?: boolean
    },
  ): Promise<Posted> {
    const { content, metadata, mustBeAnswered = false, ...asking } = edited
    const message = await messages.find(ownerId, id)
    const { role, parentId, interactionId } = message
    mustFit(role, partsOf(content))
    const wantsReply = isAnswered(role)
    if (mustBeAnswered && !wantsReply) throw notAnswered()
    const options = wantsReply ? merged(await optionsOfAnswerTo(message), asking.options) : undefined
    const said = [{ role, content, metadata: metadata ?? message.metadata }]
    return postBehind(ownerId, interactionId, { ...asking, options, said, wantsReply, parentId })
  }

  /** What a reply answered, if that is still there: what was said for it, or what it was made anew for. */
  async function answeredBy(ownerId: string, reply: Message): Promise<Message | undefined> {
    if (reply.parentId === null) return undefined
    const parent = await messages.find(ownerId, reply.parentId)
    const options = reply.making ? ((await optionsOf(reply.id)) ?? {}) : { said: 0 }
    return isSaidFor(parent, reply, options) || isAnswered(parent.role) ? parent : undefined
  }

  /** What the answer right behind a message was asked. */
  async function optionsOfAnswerTo(message: Message): Promise<ReplyOptions> {
    const next = await messages.behind(message)
    return (next?.making && (await optionsOf(next.id))) ?? {}
  }

  /** As `post`, where the client has named something that stands on what is followed. */
  async function postBehind(ownerId: string, interactionId: string, turn: NewTurn): Promise<Posted> {
    try {
      return await post(ownerId, interactionId, turn)
    } catch (error) {
      if (error instanceof ParleyError && error.fields.some(({ field }) => field === 'parent_id'))
        throw notFound('Message')
      throw error
    }
  }

  return { regenerate, edit }
}

/**
 * What is asked, and what was asked before where nothing else is. Not which models it had, which may be why, what was
 * to become of it, where it stood, nor what a door keeps with it.
 */
function merged(before: ReplyOptions, asked: ReplyOptions = {}): ReplyOptions {
  const { models, door, onCrash, maxAttempts, said, isAside, generates, schemaIsAdvice, ...kept } = before
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
  // How its schema was meant goes with the format.
  const isAdvice = schemaIsAdvice && asked.responseFormat === undefined
  const options: ReplyOptions = { ...kept, ...(isAdvice && { schemaIsAdvice }), ...given }
  const impossible = impossibleChoice(options.toolChoice, options.tools)
  if (impossible === undefined) return options
  // It was made among other tools.
  if (asked.toolChoice === undefined) return { ...options, toolChoice: undefined }
  throw wrong({ in: 'body', field: 'tool_choice', message: impossible })
}

function nothingToAnswer() {
  return wrong({
    in: 'path',
    field: 'id',
    message: 'answers nothing, and is none that a model answers',
  })
}

function notAnswered() {
  return wrong({
    in: 'body',
    field: 'stream',
    message: 'is only for what a Human or a Tool says: nothing answers the rest',
  })
}

function wrong(field: ParleyError['fields'][number]): ParleyError {
  return new ParleyError('invalid_request', `${field.field} ${field.message}`, { fields: [field] })
}
