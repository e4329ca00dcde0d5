import { ParleyError } from '../errors.ts'
import { isAnswered, type Metadata } from '../interactions/interaction.ts'
import { type InputContent, mustFit, partsOf } from '../messages/content.ts'
import type { Message } from '../messages/message.ts'
import type { Messages } from '../messages/messages.ts'
import type { ReplyOptions } from './options.ts'
import type { NewTurn, Posted } from './post.ts'

/** How an answer is asked for, whatever it answers. */
export type Asking = Omit<NewTurn, 'said' | 'wantsReply' | 'parentId'>

/** Another answer to the same, or the same said otherwise: beside what is there, on a branch of its own. */
export function createBranch(parts: {
  messages: Pick<Messages, 'find'>
  /** What a reply was asked beyond its interaction. */
  optionsOf: (id: string) => Promise<ReplyOptions | undefined>
  post: (ownerId: string, interactionId: string, turn: NewTurn) => Promise<Posted>
}) {
  const { messages, optionsOf, post } = parts

  /**
   * Answers anew what the reply `id` answered, as that was asked for unless something else is; or the message `id`
   * itself.
   * Rejects with `not_found` where there is no such message of the owner's, `invalid_request` where it answers
   * nothing and is none that models answer.
   */
  async function regenerate(ownerId: string, id: string, asking: Asking): Promise<Posted> {
    const message = await messages.find(ownerId, id)
    const parentId = message.role === 'AI' ? message.parentId : answerable(message)
    if (parentId === null) throw nothingToAnswer()
    // Not which models it had, which may be why, what was to become of it, that none was asked, nor what a door
    // keeps with that one.
    const { models, door, onCrash, maxAttempts, generates, ...asked } = (await optionsOf(id)) ?? {}
    const options = { ...asked, ...given(asking.options) }
    return post(ownerId, message.interactionId, { ...asking, options, said: [], wantsReply: true, parentId })
  }

  /** Says `content` in the place of the message `id`, and has it answered where it is one that models answer. */
  async function edit(
    ownerId: string,
    id: string,
    edited: Asking & { content: InputContent; metadata?: Metadata | undefined },
  ): Promise<Posted> {
    const { content, metadata, ...asking } = edited
    const message = await messages.find(ownerId, id)
    mustFit(message.role, partsOf(content))
    const said = [{ role: message.role, content, metadata: metadata ?? message.metadata }]
    const wantsReply = isAnswered(message.role)
    return post(ownerId, message.interactionId, { ...asking, said, wantsReply, parentId: message.parentId })
  }

  return { regenerate, edit }
}

/** Without what is not said. */
function given(options: ReplyOptions = {}): ReplyOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function answerable({ id, role }: Message): string | null {
  return isAnswered(role) ? id : null
}

function nothingToAnswer() {
  const message = 'answers nothing, and is none that a model answers'
  return new ParleyError('invalid_request', `This message ${message}.`, {
    fields: [{ in: 'path', field: 'id', message }],
  })
}
