import { ParleyError } from '../../../errors.ts'
import type { ContentPart } from '../../../messages/content.ts'
import type { Message } from '../../../messages/message.ts'
import { partOf as givenPart } from '../../responses/said.ts'
import type { ItemChange } from './schemas.ts'

/** What a message is made of. */
const changeable = new Set<ContentPart['type']>(['text', 'refusal', 'image', 'file'])

/** What an item is made of after a change, where it was made of `before`. Rejects what that item does not have. */
export function changedParts(change: ItemChange, { role }: Message, before: ContentPart[]): ContentPart[] {
  const [first] = before
  if ('arguments' in change) {
    if (first?.type !== 'tool_call') throw wrongField('arguments', 'function_call')
    // What its provider signed was another call.
    const { call_id, name } = first
    return [{ type: 'tool_call', call_id, name, arguments: change.arguments }]
  }
  if ('output' in change) {
    if (first?.type !== 'tool_result') throw wrongField('output', 'function_call_output')
    const { output } = change
    return [{ ...first, output: typeof output === 'string' ? output : output.map(givenPart) }]
  }
  if (first && !changeable.has(first.type)) throw wrongField('content', 'message')
  const { content } = change
  const parts =
    typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content.map(givenPart)
  if (role !== 'Human' && parts.some(({ type }) => type !== 'text')) {
    throw wrong('content', 'may have pictures and files only where a user says it')
  }
  return parts
}

function wrongField(field: string, type: string): ParleyError {
  return wrong(field, `is only for an item of type ${type}`)
}

function wrong(field: string, message: string): ParleyError {
  return new ParleyError('invalid_request', `${field}: ${message}`, {
    fields: [{ in: 'body', field, message }],
  })
}
