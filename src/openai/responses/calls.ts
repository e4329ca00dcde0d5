import { ParleyError } from '../../errors.ts'
import type { ContentPart } from '../../messages/content.ts'
import type { Message } from '../../messages/message.ts'
import type { Messages, Way } from '../../messages/messages.ts'
import type { ResponseInput } from './input.ts'

/** So far back a call is looked for. */
const maxMessages = 100

/** Refuses what came of calls that nobody made: in the input, or before it. */
export async function checkCalls(
  messages: Pick<Messages, 'list'>,
  said: Array<{ content: string | ContentPart[] }>,
  input: ResponseInput,
  { way, previous }: { way: Way | undefined; previous: Message | undefined },
): Promise<void> {
  if (typeof input === 'string') return
  const known = callsIn(said)
  const isUnknown = () =>
    input.findIndex((item) => item.type === 'function_call_output' && !known.has(item.call_id))
  if (isUnknown() === -1) return
  for (const callId of callsIn(previous ? [previous] : [])) known.add(callId)
  if (isUnknown() !== -1 && way) {
    const { data } = await messages.list(way, { limit: maxMessages, order: 'desc', after: previous?.id })
    for (const callId of callsIn(data)) known.add(callId)
  }
  const index = isUnknown()
  if (index === -1) return
  const message = 'answers a call that nobody made'
  const field = `input.${index}.call_id`
  throw new ParleyError('invalid_request', `${field}: ${message}`, {
    fields: [{ in: 'body', field, message }],
  })
}

function callsIn(messages: Array<{ content: string | ContentPart[] }>): Set<string> {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content))
  return new Set(parts.flatMap((part) => (part.type === 'tool_call' ? [part.call_id] : [])))
}
