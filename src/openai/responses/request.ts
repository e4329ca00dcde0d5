import { z } from 'zod'
import { metadataSchema } from '../../interactions/schemas.ts'
import { reasoningEfforts } from '../../replies/options.ts'
import { responseFormat } from '../../replies/response-format.ts'
import { plainText } from '../../text.ts'
import { only, refused } from '../refused.ts'
import { include } from './include.ts'
import { responseInput } from './input.ts'
import { toolChoiceField, type Tooling, toolIssues, toolsField } from './tools.ts'

/** What a response is asked with. Each field that OpenAI knows is done, told again, or refused by name. */

const [textFormat, jsonObject, jsonSchema] = responseFormat.options
const text = z.strictObject({
  format: z
    .discriminatedUnion('type', [
      textFormat,
      jsonObject,
      jsonSchema.extend({
        strict: z.boolean().nullish(),
        description: plainText({ max: 16_384 }).nullish(),
      }),
    ])
    .nullish(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
})

const reasoning = z.strictObject({
  effort: z.enum(reasoningEfforts).nullish(),
  summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
  generate_summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
  context: only(['auto'], 'each model is given of its thoughts what its provider wants back'),
  mode: only(['standard'], 'there is no other mode'),
})

/** What a model is asked, whether it answers or its input is only counted. */
export const promptFields = {
  model: plainText({ min: 1, max: 256 }).nullish(),
  instructions: plainText({ max: 1_000_000 }).nullish(),
  previous_response_id: plainText({ min: 1, max: 256 }).nullish(),
  conversation: z
    .union([plainText({ min: 1, max: 256 }), z.strictObject({ id: plainText({ min: 1, max: 256 }) })])
    .nullish(),
  tools: toolsField.nullish(),
  tool_choice: toolChoiceField.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: text.nullish(),
  reasoning: reasoning.nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
}

/** As OpenAI has it. */
const minThresholdTokens = 1_000

const contextManagement = z.strictObject({
  type: z.literal('compaction', { error: 'is not supported: only compaction is' }),
  compact_threshold: z.int().min(minThresholdTokens).max(100_000_000).nullish(),
})

const label = plainText({ max: 64 }).nullish()

/** `POST /v1/responses`, and the frames `response.create` but for their `type`. */
export const createFields = {
  ...promptFields,
  input: responseInput.nullish(),
  metadata: metadataSchema.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  max_output_tokens: z.int().min(1).max(10_000_000).nullish(),
  max_tool_calls: z.int().min(1).max(1_000_000).nullish(),
  top_logprobs: z.literal(0, { error: 'is not supported: no log probabilities are told' }).nullish(),
  include: include.nullish(),
  store: z.boolean().nullish(),
  context_management: z.array(contextManagement).max(1).nullish(),
  service_tier: z
    .enum(['auto', 'default', 'fast', 'flex', 'priority', 'scale'], { error: 'is not supported' })
    .nullish(),
  user: plainText({ max: 512 }).nullish(),
  /** What Codex says of itself. */
  client_metadata: z.record(plainText({ max: 256 }), plainText({ max: 65_536 })).nullish(),
  safety_identifier: plainText({ max: 128 }).nullish(),
  prompt_cache_key: label,
  prompt_cache_retention: z.enum(['in_memory', '24h']).nullish(),
  prompt_cache_options: refused('providers cache as they do'),
  prompt: refused('there are no prompt templates here; send instructions'),
  moderation: refused('nothing is moderated here'),
  image: refused('no images are made'),
  access_programs: refused('there are none'),
}

const streamOptions = z.strictObject({ include_obfuscation: z.boolean().nullish() })

/** What only the transport of HTTP has. */
const httpFields = {
  background: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: streamOptions.nullish(),
}

export const createBody = z.strictObject({ ...createFields, ...httpFields }).superRefine(refuseContradictions)

const onlyHttp = 'on a WebSocket all is streamed, and nothing else'

/** A message on a WebSocket. */
export const createMessage = z
  .strictObject({
    ...createFields,
    type: z.literal('response.create', { error: 'is not supported: only response.create is' }),
    generate: z.boolean().nullish(),
    stream_id: plainText({ min: 1, max: 256 }).nullish(),
    stream_options: streamOptions.nullish(),
    stream: z.literal(true, { error: `is not supported: ${onlyHttp}` }).nullish(),
    background: z.literal(false, { error: `is not supported: ${onlyHttp}` }).nullish(),
  })
  .superRefine(refuseContradictions)

/** What is wrong with one field because of another. */
function refuseContradictions(
  asked: Tooling & {
    background?: boolean | null | undefined
    store?: boolean | null | undefined
    conversation?: unknown
    previous_response_id?: string | null | undefined
    input?: { length: number } | string | null | undefined
  },
  { addIssue }: Pick<z.RefinementCtx, 'addIssue'>,
): void {
  const wrong = (path: PropertyKey[], message: string) => addIssue({ code: 'custom', path, message })
  if (asked.background && asked.store === false) {
    wrong(['background'], 'needs what it makes to be stored')
  }
  if (asked.conversation && asked.previous_response_id) {
    wrong(['previous_response_id'], 'cannot be given together with conversation')
  }
  // What is there can be answered (once more) without more being said.
  if (!asked.conversation && !asked.previous_response_id && !asked.input?.length) {
    wrong(['input'], 'is required')
  }
  for (const { path, message } of toolIssues(asked)) wrong(path, message)
}

/** Whichever transport it came by. */
export type CreateRequest = z.infer<typeof createBody> &
  Pick<z.infer<typeof createMessage>, 'generate' | 'stream_id'>

/** `POST /v1/responses/input_tokens` */
export const countBody = z.strictObject({
  ...promptFields,
  input: responseInput.nullish(),
  personality: refused('models are asked as they are'),
})

export type CountRequest = z.infer<typeof countBody>

/** `POST /v1/responses/compact` */
export const compactBody = z.strictObject({
  model: plainText({ min: 1, max: 256 }),
  input: responseInput.nullish(),
  instructions: promptFields.instructions,
  previous_response_id: promptFields.previous_response_id,
  prompt_cache_key: label,
  prompt_cache_retention: createFields.prompt_cache_retention,
  prompt_cache_options: createFields.prompt_cache_options,
  service_tier: createFields.service_tier,
  image: createFields.image,
})
