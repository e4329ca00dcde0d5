import { z } from 'zod'
import { messageStatuses } from '../../messages/message.ts'
import { outputItem } from '../item.ts'

const format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    name: z.string(),
    description: z.string().nullable(),
    schema: z.record(z.string(), z.unknown()),
    strict: z.boolean(),
  }),
])

const choiceMode = z.enum(['none', 'auto', 'required'])
const functionView = z.object({
  type: z.literal('function'),
  name: z.string(),
  description: z.string().nullable(),
  parameters: z.record(z.string(), z.unknown()).nullable(),
  strict: z.boolean().nullable(),
})
const namespaceView = z.object({
  type: z.literal('namespace'),
  name: z.string(),
  description: z.string(),
  tools: z.array(functionView),
})
const namedTool = z.object({ type: z.literal('function'), name: z.string() })

export const usageSchema = z
  .object({
    input_tokens: z.int(),
    input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
    output_tokens: z.int(),
    output_tokens_details: z.object({ reasoning_tokens: z.int() }),
    total_tokens: z.int(),
  })
  .meta({ id: 'ResponseUsage', description: 'As the provider counted.' })

/** Every field of Open Responses' `ResponseResource`, which is the stricter of the two, and what OpenAI has beyond. */
export const responseSchema = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.int(),
    completed_at: z.int().nullable(),
    status: z.enum(messageStatuses),
    background: z.boolean(),
    error: z.object({ code: z.string(), message: z.string(), type: z.string(), param: z.null() }).nullable(),
    incomplete_details: z.object({ reason: z.string() }).nullable(),
    instructions: z.string().nullable(),
    max_output_tokens: z.int().nullable(),
    max_tool_calls: z.int().nullable(),
    model: z.string(),
    output: z.array(outputItem),
    parallel_tool_calls: z.boolean(),
    previous_response_id: z.string().nullable(),
    conversation: z.object({ id: z.string() }).nullable(),
    access_programs: z.null(),
    prompt_cache_key: z.string().nullable(),
    prompt_cache_retention: z.enum(['in_memory', '24h']).nullable(),
    reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }),
    safety_identifier: z.string().nullable(),
    service_tier: z.string(),
    store: z.boolean(),
    temperature: z.number(),
    top_p: z.number(),
    presence_penalty: z.number(),
    frequency_penalty: z.number(),
    top_logprobs: z.int(),
    text: z.object({ format, verbosity: z.enum(['low', 'medium', 'high']) }),
    tool_choice: z.union([
      choiceMode,
      namedTool,
      z.object({ type: z.literal('allowed_tools'), mode: choiceMode, tools: z.array(namedTool) }),
    ]),
    tools: z.array(z.discriminatedUnion('type', [functionView, namespaceView])),
    truncation: z.enum(['auto', 'disabled']),
    usage: usageSchema.nullable(),
    user: z.string().nullable(),
    metadata: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Response', description: 'An answer, and how it was asked for.' })

export type ResponseObject = z.infer<typeof responseSchema>
export type ResponseUsage = z.infer<typeof usageSchema>
