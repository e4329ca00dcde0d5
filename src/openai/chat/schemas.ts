import { z } from 'zod'
import { metadataSchema, modelName, sampling } from '../../interactions/schemas.ts'
import { callId, maxParts, maxTextChars, toolName } from '../../messages/content.ts'
import { resourceUrl } from '../../messages/resource.ts'
import { reasoningEfforts } from '../../replies/options.ts'
import { checkedJsonSchema } from '../../replies/json-schema.ts'
import { formatName, type ResponseFormat } from '../../replies/response-format.ts'
import { functionTool, functionTools } from '../../replies/tools.ts'
import { plainText } from '../../text.ts'
import { only, refused, unknownKind } from '../refused.ts'

const maxMessages = 4_096
const oneByOne = 'each choice would be an answer of its own; ask again instead'

/** Clients of several agents say which of them spoke. */
const name = z.unknown().optional().meta({ description: 'Without effect: the role says who speaks.' })

const text = plainText({ max: maxTextChars })
const textPart = z.object({ type: z.literal('text', { error: 'is not supported: only text is' }), text })
const texts = z.union([text, z.array(textPart).min(1).max(maxParts)])

/** No model looks closer than that here. */
const detail = z
  .enum(['auto', 'low', 'high', 'original'])
  .transform((asked) => (asked === 'original' ? 'high' : asked))
const imagePart = z.object({
  type: z.literal('image_url'),
  image_url: z.object({ url: resourceUrl, detail: detail.optional() }),
})
const filePart = z.object({
  type: z.literal('file'),
  file: z.object({
    file_id: refused('there are no uploads; send `file_data`'),
    file_data: resourceUrl.refine((url) => /^data:/i.test(url), 'must be data:<media type>;base64,<bytes>'),
    filename: plainText({ min: 1, max: 512 }).optional(),
  }),
})
const userPart = z.discriminatedUnion(
  'type',
  [textPart, imagePart, filePart],
  unknownKind('type', 'text, image_url and file'),
)

const onlyFunctions = z.literal('function', { error: 'is not supported: only functions are' })
const toolCall = z.object({
  id: callId,
  type: onlyFunctions.default('function'),
  function: z.object({ name: plainText({ min: 1, max: 256 }), arguments: text }),
})

const assistantPart = z.discriminatedUnion(
  'type',
  [textPart, z.object({ type: z.literal('refusal'), refusal: text })],
  unknownKind('type', 'text and refusal'),
)

/**
 * Fields of a message, and of its parts, that nobody knows are left out, as OpenAI does: clients send back what they
 * got, with what they made of it. What is known there and not done here is still refused by name.
 */
const chatMessage = z.discriminatedUnion(
  'role',
  [
    z.object({ role: z.enum(['system', 'developer']), content: texts, name }),
    z.object({
      role: z.literal('user'),
      content: z.union([text, z.array(userPart).min(1).max(maxParts)]),
      name,
    }),
    z.object({
      role: z.literal('assistant'),
      content: z.union([text, z.array(assistantPart).min(1).max(maxParts)]).nullish(),
      refusal: text.nullish(),
      reasoning_content: text
        .nullish()
        .meta({ description: 'As the answer had it; told to models that want it back.' }),
      tool_calls: z.array(toolCall).min(1).max(maxParts).nullish(),
      name,
      function_call: refused('it gave way to `tool_calls`'),
      audio: refused('no audio is spoken here'),
    }),
    z.object({
      role: z.literal('tool'),
      tool_call_id: callId,
      content: texts,
      name,
    }),
  ],
  unknownKind('role', 'system, developer, user, assistant and tool'),
)

/** Tools as chat completions have them: the function in an object of its own. */
const chatTools = z
  .array(
    z.strictObject({
      type: onlyFunctions,
      function: functionTool.omit({ type: true }).extend({ strict: z.boolean().nullish() }),
    }),
  )
  .transform((tools) =>
    tools.map(({ function: { strict, ...tool } }) => ({ ...tool, ...(strict !== null && { strict }) })),
  )
  .pipe(functionTools)

const chatToolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z
    .strictObject({ type: onlyFunctions, function: z.strictObject({ name: toolName }) })
    .transform(({ function: chosen }) => chosen),
])

/** The schema in an object of its own. */
const chatFormat = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({
      type: z.literal('json_schema'),
      json_schema: z.strictObject({
        name: formatName,
        description: plainText({ max: 16_384 }).optional(),
        schema: checkedJsonSchema,
        strict: z.boolean().nullish(),
      }),
    }),
  ])
  .transform((format): ResponseFormat => {
    if (format.type !== 'json_schema') return format
    const { strict, ...rest } = format.json_schema
    return { type: 'json_schema', ...rest, strict: strict ?? undefined }
  })

/** `POST /v1/chat/completions`. What nothing here can do is refused by name. */
export const chatInput = z.strictObject({
  model: modelName.optional(),
  messages: z.array(chatMessage).min(1).max(maxMessages),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.boolean().optional() })
    .nullish(),
  store: z.boolean().nullish(),
  metadata: metadataSchema.nullish(),
  temperature: sampling.temperature.nullish(),
  top_p: sampling.top_p.nullish(),
  max_completion_tokens: sampling.max_output_tokens.nullish(),
  max_tokens: sampling.max_output_tokens.nullish(),
  stop: z.union([plainText({ min: 1, max: 256 }).transform((stop) => [stop]), sampling.stop]).nullish(),
  seed: sampling.seed.nullish(),
  presence_penalty: sampling.presence_penalty.nullish(),
  frequency_penalty: sampling.frequency_penalty.nullish(),
  tools: chatTools.nullish(),
  tool_choice: chatToolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: chatFormat.nullish(),
  reasoning_effort: z.enum(reasoningEfforts).nullish(),
  // Who asks, and how a provider caches, changes no answer.
  user: plainText({ max: 512 }).nullish(),
  safety_identifier: plainText({ max: 512 }).nullish(),
  prompt_cache_key: plainText({ max: 512 }).nullish(),
  prompt_cache_retention: z.enum(['in_memory', 'in-memory', '24h']).nullish(),
  n: only([1], oneByOne),
  logprobs: only([false], 'models here tell no probabilities'),
  top_logprobs: only([0], 'models here tell no probabilities'),
  logit_bias: z.record(z.string(), z.never({ error: 'is not supported' })).nullish(),
  modalities: z.array(z.literal('text', { error: 'is not supported: answers are text' })).nullish(),
  service_tier: only(['auto', 'default'], 'there is one tier'),
  verbosity: only(['medium'], 'say it in a system message'),
  functions: refused('it gave way to `tools`'),
  function_call: refused('it gave way to `tool_choice`'),
  audio: refused('answers are text'),
  prediction: refused('it would change nothing'),
  web_search_options: refused('no tool runs on the server'),
  moderation: refused('nothing is moderated here'),
  prompt_cache_options: refused('providers cache as they do'),
})

export type ChatInput = z.infer<typeof chatInput>
export type ChatMessage = z.infer<typeof chatMessage>

const finishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter'])

export const chatUsage = z
  .object({
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    total_tokens: z.int(),
    prompt_tokens_details: z.object({ cached_tokens: z.int() }),
    completion_tokens_details: z.object({ reasoning_tokens: z.int() }),
  })
  .meta({ id: 'ChatUsage' })

export const answeredMessage = z.object({
  role: z.literal('assistant'),
  content: z.string().nullable(),
  refusal: z.string().nullable(),
  annotations: z.array(z.unknown()).meta({ description: 'Always empty.' }),
  reasoning_content: z.string().optional().meta({ description: 'What the model thought, where it tells.' }),
  tool_calls: z
    .array(
      z.object({
        id: z.string(),
        type: z.literal('function'),
        function: z.object({ name: z.string(), arguments: z.string() }),
      }),
    )
    .optional(),
})

export const chatCompletion = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.literal(0),
        message: answeredMessage,
        logprobs: z.null(),
        finish_reason: finishReason.nullable().meta({ description: 'Null where it did not come to an end.' }),
      }),
    ),
    usage: chatUsage.optional().meta({ description: 'Where the provider counted.' }),
    service_tier: z.literal('default'),
    metadata: z.record(z.string(), z.string()).nullable(),
  })
  .meta({ id: 'ChatCompletion' })

export type ChatUsage = z.infer<typeof chatUsage>
export type ChatCompletion = z.infer<typeof chatCompletion>
export type FinishReason = z.infer<typeof finishReason>
