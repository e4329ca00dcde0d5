import { ParleyError } from '../../../errors.ts'
import type { ContentPart } from '../../../messages/content.ts'
import type { Message } from '../../../messages/message.ts'
import { partsAt, placeIn, withItem } from '../../item-places.ts'
import { partOf as givenPart } from '../../responses/said.ts'
import type { ItemChange } from './schemas.ts'

/** The content of a message after a change of the item `itemId`. Rejects what that item does not have. */
export function changedContent(change: ItemChange, message: Message, itemId: string): ContentPart[] {
  const { content, role } = message
  const place = placeIn(message, itemId)
  return withItem(content, place, changedParts(change, role, partsAt(content, place)))
}

function changedParts(change: ItemChange, role: Message['role'], [first]: ContentPart[]): ContentPart[] {
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
  if (first?.type === 'tool_call' || first?.type === 'tool_result' || first?.type === 'reasoning') {
    throw wrongField('content', 'message')
  }
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
