import { z } from 'zod'
import { callId, maxTextChars } from '../../messages/content.ts'
import { resourceUrl } from '../../messages/resource.ts'
import { plainText } from '../../text.ts'

/** What a client may say on OpenAI's wire of today. What is known there, and not done here, is refused by name. */

const maxItems = 2_000
const maxParts = 256

const text = plainText({ max: maxTextChars })
/** Accepted, because clients send back what they got; what it says is known here already. */
const ignored = z.unknown().optional()
const noFileId = z
  .null({ error: 'is not supported: there are no uploads here; send the bytes, or where they are' })
  .optional()
const common = { id: plainText({ max: 256 }).nullish(), status: ignored, created_by: ignored }
/** Clients that leave nothing out send a type of null where none is needed. */
const messageType = z.literal('message').nullish()
const caller = z
  .strictObject({ type: z.literal('direct', { error: 'is not supported: only models call' }) })
  .nullish()

const textInput = z.strictObject({
  type: z.literal('input_text'),
  text,
  prompt_cache_breakpoint: ignored,
})
const imageInput = z.strictObject({
  type: z.literal('input_image'),
  image_url: resourceUrl,
  detail: z.enum(['auto', 'low', 'high', 'original']).nullish(),
  file_id: noFileId,
  prompt_cache_breakpoint: ignored,
})
const fileInput = z
  .strictObject({
    type: z.literal('input_file'),
    filename: plainText({ min: 1, max: 512 }).nullish(),
    file_data: resourceUrl.nullish(),
    file_url: resourceUrl.nullish(),
    file_id: noFileId,
    detail: ignored,
    prompt_cache_breakpoint: ignored,
  })
  .refine(({ file_data, file_url }) => (typeof file_data === 'string') !== (typeof file_url === 'string'), {
    path: ['file_data'],
    error: 'is needed, or file_url; not both',
  })

const unknownPart = { error: 'is not supported: known are input_text, input_image and input_file' }
const inputPart = z.discriminatedUnion('type', [textInput, imageInput, fileInput], unknownPart)
export const inputParts = z.array(inputPart).min(1).max(maxParts)

const userMessage = z.strictObject({
  ...common,
  type: messageType,
  role: z.literal('user'),
  content: z.union([text, inputParts]),
  phase: ignored,
})
const systemMessage = z.strictObject({
  ...common,
  type: messageType,
  role: z.enum(['system', 'developer']),
  content: z.union([
    text,
    z
      .array(z.discriminatedUnion('type', [textInput], { error: 'is not supported: only input_text is' }))
      .min(1)
      .max(maxParts),
  ]),
  phase: ignored,
})
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text,
  annotations: ignored,
  logprobs: ignored,
  parsed: ignored,
})
const refusalOutput = z.strictObject({ type: z.literal('refusal'), refusal: text })
const assistantPart = z.discriminatedUnion('type', [outputText, refusalOutput, textInput], {
  error: 'is not supported: known are output_text and refusal',
})
const assistantMessage = z.strictObject({
  ...common,
  type: messageType,
  role: z.literal('assistant'),
  content: z.union([text, z.array(assistantPart).max(maxParts)]),
  phase: z.enum(['commentary', 'final_answer']).nullish(),
})
const message = z.discriminatedUnion('role', [userMessage, systemMessage, assistantMessage])

/** What a message may have, whoever said it. */
const messagePart = z.discriminatedUnion(
  'type',
  [textInput, imageInput, fileInput, outputText, refusalOutput],
  { error: 'is not supported: known are input_text, input_image, input_file, output_text and refusal' },
)
export const messageParts = z.array(messagePart).min(1).max(maxParts)

/** Of a result: its call says which tool that was. */
const toolLabel = plainText({ max: 256 }).nullish()
const functionCall = z.strictObject({
  ...common,
  type: z.literal('function_call'),
  call_id: callId,
  name: plainText({ min: 1, max: 256 }),
  arguments: text,
  namespace: plainText({ min: 1, max: 256 }).nullish(),
  caller,
  async: z.literal(false, { error: 'is not supported: what comes of a call is waited for' }).nullish(),
  parsed_arguments: ignored,
})
const functionCallOutput = z.strictObject({
  ...common,
  type: z.literal('function_call_output'),
  call_id: callId,
  output: z.union([text, z.array(inputPart).max(maxParts)]),
  caller,
  name: toolLabel,
  namespace: toolLabel,
})
const reasoning = z.strictObject({
  ...common,
  type: z.literal('reasoning'),
  summary: z
    .array(z.object({ type: z.literal('summary_text'), text }))
    .max(maxParts)
    .default([]),
  content: z
    .array(z.object({ type: z.literal('reasoning_text'), text }))
    .max(maxParts)
    .nullish(),
  encrypted_content: plainText({ max: maxTextChars }).nullish(),
})
const compaction = z.strictObject({
  ...common,
  type: z.literal('compaction'),
  encrypted_content: plainText({ min: 1, max: maxTextChars }),
})
const itemReference = z.strictObject({
  type: z.literal('item_reference').meta({ description: 'May be left out where `id` is all there is.' }),
  id: plainText({ min: 1, max: 256 }),
})
const typedItem = z
  .discriminatedUnion(
    'type',
    [message, functionCall, functionCallOutput, reasoning, compaction, itemReference],
    {
      error:
        'is not supported: known are message, function_call, function_call_output, reasoning, compaction and item_reference',
    },
  )
  .meta({ id: 'GivenItem', description: 'Something that was said, called or thought before.' })

export const inputItem = z.preprocess(asReference, typedItem)

/** What has nothing but an id refers to an item, as OpenAI has it. */
function asReference(given: unknown): unknown {
  if (typeof given !== 'object' || given === null) return given
  const { type, ...rest } = given as { type?: unknown; [field: string]: unknown }
  const isReference = (type === undefined || type === null) && Object.keys(rest).join() === 'id'
  return isReference ? { ...rest, type: 'item_reference' } : given
}

export const responseInput = z
  .union([text, z.array(inputItem).max(maxItems)])
  .meta({ id: 'GivenInput', description: 'A text that the user says, or items.' })

export type InputItem = z.infer<typeof inputItem>
export type AssistantPart = z.infer<typeof assistantPart>
export type MessagePart = z.infer<typeof messagePart>
export type InputMessage = z.infer<typeof message>
export type GivenPart = z.infer<typeof inputPart>
export type ResponseInput = z.infer<typeof responseInput>
