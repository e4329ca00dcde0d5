import type { Making, Message, Usage } from '../../messages/message.ts'
import type { ReplyOptions } from '../../replies/options.ts'
import { openAiId } from '../ids.ts'
import type { OutputItem } from '../item.ts'
import { outputItems } from '../items.ts'
import { keptOf } from './asked.ts'
import { errorOf, incompleteDetailsOf, statusOf } from './outcome.ts'
import type { ResponseObject, ResponseUsage } from './response.ts'
import { toolView } from './tools.ts'

/**
 * A reply as a response: all of it is stored with the reply, so that it is the same whenever it is read. What providers
 * need back with its thoughts is there where it was asked for with that, or is `sealed` now.
 */
export function responseOf(
  reply: Message,
  making: Making,
  options: ReplyOptions,
  { sealed = options.sealsThoughts } = {},
): ResponseObject {
  return responseWith(reply, making, options, outputItems(reply, { sealed }))
}

/** The same with `output` as it was told. */
export function responseWith(
  { id, createdAt, interactionId }: Pick<Message, 'id' | 'createdAt' | 'interactionId'>,
  making: Making,
  options: ReplyOptions,
  output: OutputItem[],
): ResponseObject {
  const { verbosity = 'medium', ...told } = keptOf(options)?.told ?? {
    // It was asked for through another door.
    conversation: { id: openAiId('conv_', interactionId) },
  }
  const { sampling = {}, tools = [], toolChoice = 'auto', reasoning } = options
  const background = told.background ?? false
  return {
    id: openAiId('resp_', id),
    object: 'response',
    created_at: seconds(createdAt),
    completed_at:
      making.status === 'completed' && making.completedAt !== null ? seconds(making.completedAt) : null,
    // Only what runs in the background tells that it waits.
    status: making.status === 'queued' && !background ? 'in_progress' : statusOf(making),
    background,
    error: errorOf(making),
    incomplete_details: incompleteDetailsOf(making),
    instructions: options.prompt ?? null,
    max_output_tokens: sampling.max_output_tokens ?? null,
    max_tool_calls: null,
    model: making.model,
    output,
    parallel_tool_calls: options.parallelToolCalls ?? true,
    previous_response_id: null,
    conversation: null,
    access_programs: null,
    prompt_cache_key: null,
    prompt_cache_retention: null,
    reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null },
    safety_identifier: null,
    service_tier: 'default',
    store: true,
    temperature: sampling.temperature ?? 1,
    top_p: sampling.top_p ?? 1,
    presence_penalty: sampling.presence_penalty ?? 0,
    frequency_penalty: sampling.frequency_penalty ?? 0,
    top_logprobs: 0,
    text: { format: formatOf(options.responseFormat), verbosity },
    tool_choice: typeof toolChoice === 'string' ? toolChoice : { type: 'function', name: toolChoice.name },
    tools: tools.map(toolView),
    truncation: options.truncation ?? 'auto',
    usage: making.usage && usageOf(making.usage),
    user: null,
    metadata: {},
    ...told,
  }
}

export function seconds(ms: number): number {
  return Math.floor(ms / 1_000)
}

function formatOf(asked: ReplyOptions['responseFormat']): ResponseObject['text']['format'] {
  if (asked?.type !== 'json_schema') return { type: asked?.type ?? 'text' }
  const { type, name, description = null, schema, strict = false } = asked
  return { type, name, description, schema, strict }
}

export function usageOf(usage: Usage): ResponseUsage {
  const input = usage.input_tokens ?? 0
  const output = usage.output_tokens ?? 0
  return {
    input_tokens: input,
    // What is written to a cache is no number that providers agree on: it is not kept.
    input_tokens_details: { cached_tokens: usage.cached_input_tokens ?? 0, cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning_tokens ?? 0 },
    total_tokens: input + output,
  }
}
