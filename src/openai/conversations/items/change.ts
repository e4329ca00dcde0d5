import { ParleyError } from '../../../errors.ts'
import type { ContentPart } from '../../../messages/content.ts'
import type { Message } from '../../../messages/message.ts'
import { partsAt, placeIn, withItem } from '../../item-places.ts'
import type { MessagePart } from '../../responses/input.ts'
import { partOf as givenPart, saidPart } from '../../responses/said.ts'
import type { ItemChange } from './schemas.ts'

/** What a message is made of. */
const changeable = new Set<ContentPart['type']>(['text', 'refusal', 'image', 'file'])

/** The content of a message after a change of the item `itemId`. Rejects what that item does not have. */
export function changedContent(change: ItemChange, message: Message, itemId: string): ContentPart[] {
  const { content, role } = message
  const place = placeIn(message, itemId)
  return withItem(content, place, changedParts(change, role, partsAt(content, place)))
}

function changedParts(change: ItemChange, role: Message['role'], [first]: ContentPart[]): ContentPart[] {
  const { content, arguments: args, output } = change
  if (args !== undefined) {
    if (first?.type !== 'tool_call') throw wrongField('arguments', 'function_call')
    // What its provider signed was another call.
    const { provider: _, ...call } = first
    return [{ ...call, arguments: args }]
  }
  if (output !== undefined) {
    if (first?.type !== 'tool_result') throw wrongField('output', 'function_call_output')
    return [{ ...first, output: typeof output === 'string' ? output : output.map(givenPart) }]
  }
  if (first && !changeable.has(first.type)) throw wrongField('content', 'message')
  return typeof content === 'string' ? [{ type: 'text', text: content }] : saidBy(role, content ?? [])
}

/** The parts of a message as `role` may say them. */
function saidBy(role: Message['role'], given: MessagePart[]): ContentPart[] {
  for (const [index, { type }] of given.entries()) {
    if (!sayable[type].has(role)) throw wrong(`content.${index}.type`, `is not for ${speakers[role]} to say`)
  }
  const parts = given.map((part) =>
    part.type === 'output_text' || part.type === 'refusal' ? saidPart(part) : givenPart(part),
  )
  const kept = parts.filter((part) => !('text' in part) || part.text !== '')
  if (kept.length === 0) throw wrong('content', 'says nothing')
  return kept
}

const everybody = new Set<Message['role']>(['System', 'Human', 'AI', 'Tool'])
const user = new Set<Message['role']>(['Human'])
const assistant = new Set<Message['role']>(['AI'])
const sayable: Record<MessagePart['type'], ReadonlySet<Message['role']>> = {
  input_text: everybody,
  input_image: user,
  input_file: user,
  output_text: assistant,
  refusal: assistant,
}
const speakers = { System: 'the system', Human: 'a user', AI: 'an assistant', Tool: 'a tool' } as const

function wrongField(field: string, type: string): ParleyError {
  return wrong(field, `is only for an item of type ${type}`)
}

function wrong(field: string, message: string): ParleyError {
  return new ParleyError('invalid_request', `${field}: ${message}`, {
    fields: [{ in: 'body', field, message }],
  })
}
