import { ParleyError } from '../../errors.ts'
import type { ContentPart } from '../../messages/content.ts'
import type { Message } from '../../messages/message.ts'
import type { Messages, Way } from '../../messages/messages.ts'
import type { ResponseInput } from './input.ts'

/** So far back a call is looked for. */
const maxMessages = 100

type Said = Array<{ content: string | ContentPart[] }>

/**
 * Refuses results without a call in front of them, and calls without a result: providers take neither, and left out
 * they would have the model answer something else than what was said.
 */
export async function checkCalls(
  messages: Pick<Messages, 'list'>,
  said: Said,
  input: ResponseInput,
  { way, previous }: { way: Way | undefined; previous: Message | undefined },
): Promise<void> {
  const older = async () => {
    if (!way) return []
    const behind = previous ? { after: previous.id } : {}
    return (await messages.list(way, { limit: maxMessages, order: 'desc', ...behind })).data
  }
  const before = previous ? [previous] : await older()
  let wrong = unpairedIn(said, before)
  // Far more often the call is in the answer right before it.
  if (wrong?.why === 'unknown' && previous) wrong = unpairedIn(said, [previous, ...(await older())])
  if (wrong) throw refusalOf(wrong, input)
}

interface Unpaired {
  callId: string
  why: 'unknown' | 'answered' | 'open'
}

/** The first result without its call or call without its result of what is said behind `before`, newest first. */
function unpairedIn(said: Said, before: Message[]): Unpaired | undefined {
  const known = new Set(partsOf(before).flatMap((part) => (part.type === 'tool_call' ? [part.call_id] : [])))
  /** How many calls of each id wait for their results: some models use one twice. */
  const waiting = new Map<string, number>()
  const wait = (callId: string) => waiting.set(callId, (waiting.get(callId) ?? 0) + 1)
  for (const callId of openIn(before)) wait(callId)
  for (const part of partsOf(said)) {
    if (part.type === 'tool_call') wait(part.call_id)
    if (part.type !== 'tool_result') continue
    const { call_id: callId } = part
    const count = waiting.get(callId) ?? (known.has(callId) ? 1 : undefined)
    if (count === undefined) return { callId, why: 'unknown' }
    if (count === 0) return { callId, why: 'answered' }
    waiting.set(callId, count - 1)
  }
  const open = [...waiting].find(([, count]) => count > 0)
  return open && { callId: open[0], why: 'open' }
}

/** The calls that the newest answer ended with, and that nobody answered; one that was cut off waits for nothing. */
function openIn(newestFirst: Message[]): string[] {
  const answered = new Set<string>()
  for (const { role, content, making } of newestFirst) {
    if (content.length === 0) continue
    for (const part of content) if (part.type === 'tool_result') answered.add(part.call_id)
    if (role === 'Tool') continue
    if (making && making.status !== 'completed') return []
    return content.flatMap((part) =>
      part.type === 'tool_call' && !answered.has(part.call_id) ? [part.call_id] : [],
    )
  }
  return []
}

function partsOf(said: Said): ContentPart[] {
  return said.flatMap(({ content }) => (typeof content === 'string' ? [] : content))
}

function refusalOf({ callId, why }: Unpaired, input: ResponseInput): ParleyError {
  if (why === 'open') {
    const message = `No tool output found for function call ${callId}.`
    return new ParleyError('invalid_request', message, { fields: [{ in: 'body', field: 'input', message }] })
  }
  const items = typeof input === 'string' ? [] : input
  const isResult = ({ type, ...item }: (typeof items)[number]) =>
    type === 'function_call_output' && 'call_id' in item && item.call_id === callId
  const index = why === 'unknown' ? items.findIndex(isResult) : items.findLastIndex(isResult)
  // It may only be named there.
  const field = index === -1 ? 'input' : `input.${index}.call_id`
  const message = why === 'unknown' ? 'answers a call that nobody made before it' : 'answers a call twice'
  return new ParleyError('invalid_request', `${field}: ${message}`, {
    fields: [{ in: 'body', field, message }],
  })
}
