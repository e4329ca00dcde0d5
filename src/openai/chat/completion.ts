import type { Interaction } from '../../interactions/interaction.ts'
import { type ContentPart, textOf } from '../../messages/content.ts'
import { isOpen, type Making, type Message, type Usage } from '../../messages/message.ts'
import { openAiId } from '../ids.ts'
import type { ChatCompletion, ChatUsage, FinishReason } from './schemas.ts'
import type { StoredCompletion } from './stored/schemas.ts'

/** A reply that has ended well as a chat completion. Its id has the digits of its interaction. */
export function completionOf(reply: Message, metadata: Interaction['metadata'] | null): ChatCompletion {
  const { interactionId, content, createdAt, making } = reply
  const usage = making?.usage && usageOf(making.usage)
  const finishReason = finishReasonOf(making, toolCallsIn(content).length > 0)
  return {
    id: openAiId('chatcmpl-', interactionId),
    object: 'chat.completion',
    created: Math.floor(createdAt / 1_000),
    model: making?.model ?? '',
    choices: [{ index: 0, message: answerOf(content), logprobs: null, finish_reason: finishReason }],
    ...(usage && { usage }),
    service_tier: 'default',
    metadata,
  }
}

/** The same for one that is kept, however it went. */
export function storedCompletionOf(reply: Message, { metadata }: Interaction): StoredCompletion {
  const { making } = reply
  return {
    ...completionOf(reply, metadata),
    status: making?.status ?? 'completed',
    error: making?.error ?? null,
  }
}

/** Why a reply gives no completion; undefined where it does. What was cut off by a limit or a filter is one. */
export function failureOf({ making, content }: Message): Making['error'] | 'cancelled' | 'open' | undefined {
  if (!making || finishReasonOf(making, toolCallsIn(content).length > 0) !== null) return undefined
  if (isOpen(making.status)) return 'open'
  return making.status === 'cancelled' ? 'cancelled' : making.error
}

/** Null for what did not come to an end of its own. Not every provider says that it ended for its calls. */
export function finishReasonOf(
  making: Pick<Making, 'status' | 'finishReason'> | null,
  callsTools: boolean,
): FinishReason | null {
  if (!making) return 'stop'
  const { status, finishReason } = making
  if (status === 'incomplete') return (finishReason === null ? undefined : cutOffs.get(finishReason)) ?? null
  if (status !== 'completed') return null
  return callsTools ? 'tool_calls' : 'stop'
}

const cutOffs = new Map<string, FinishReason>([
  ['length', 'length'],
  ['content-filter', 'content_filter'],
])

/** Undefined where the provider did not count. */
export function usageOf(usage: Usage): ChatUsage | undefined {
  const { input_tokens: prompt, output_tokens: answer } = usage
  if (prompt === null && answer === null) return undefined
  return {
    prompt_tokens: prompt ?? 0,
    completion_tokens: answer ?? 0,
    total_tokens: (prompt ?? 0) + (answer ?? 0),
    prompt_tokens_details: { cached_tokens: usage.cached_input_tokens ?? 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens ?? 0 },
  }
}

function answerOf(content: ContentPart[]): ChatCompletion['choices'][number]['message'] {
  const calls = toolCallsIn(content)
  const said = (type: 'refusal' | 'reasoning') =>
    content.map((part) => (part.type === type ? part.text : '')).join('')
  const reasoning = said('reasoning')
  return {
    role: 'assistant',
    content: textOf(content) || (calls.length > 0 || said('refusal') !== '' ? null : ''),
    refusal: said('refusal') || null,
    annotations: [],
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

export function toolCallsIn(content: ContentPart[]) {
  return content
    .filter((part) => part.type === 'tool_call')
    .map(({ call_id: id, name, arguments: args }) => ({
      id,
      type: 'function' as const,
      function: { name, arguments: args },
    }))
}
