import type { FieldError } from '../../errors.ts'
import type { ChatMessage } from './schemas.ts'

/**
 * What is wrong with the calls of tools in `messages`, and with their results. As with OpenAI each call has one
 * result, before anything else is said: what stood elsewhere would not get to the model, or not in that place.
 */
export function contradictionsInCalls(messages: ChatMessage[]): FieldError[] {
  const wrong: FieldError[] = []
  const tell = (field: string, message: string) => wrong.push({ in: 'body', field, message })
  /** Of the assistant message that may be answered now: where it is, and its calls without a result so far. */
  let asking = { index: -1, open: new Set<string>(), answered: new Set<string>() }

  function goOn(index: number) {
    const { open } = asking
    if (open.size > 0) {
      const missing = [...open].slice(0, 5).join(', ')
      const message = `must be followed by tool messages that answer each 'tool_call_id'; without one: ${missing}`
      tell(`messages.${asking.index}.tool_calls`, message)
    }
    asking = { index, open: new Set(), answered: new Set() }
  }

  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      const { tool_call_id: id } = message
      const { open, answered } = asking
      if (open.delete(id)) answered.add(id)
      else if (answered.has(id)) tell(`messages.${index}.tool_call_id`, 'answers a call for the second time')
      else tell(`messages.${index}.tool_call_id`, 'answers no call of the assistant message before it')
      continue
    }
    goOn(index)
    if (message.role !== 'assistant') continue
    for (const [place, { id }] of (message.tool_calls ?? []).entries()) {
      if (asking.open.has(id))
        tell(`messages.${index}.tool_calls.${place}.id`, 'stands for another call already')
      asking.open.add(id)
    }
  }
  goOn(messages.length)
  return wrong
}
