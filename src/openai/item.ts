import { z } from 'zod'

/** The shapes of what is said on OpenAI's wire of today, as responses and conversations show it. */

export const itemStatus = z.enum(['in_progress', 'completed', 'incomplete'])

export const outputText = z
  .object({
    type: z.literal('output_text'),
    text: z.string(),
    annotations: z.array(z.record(z.string(), z.unknown())).meta({ description: 'Always empty.' }),
    logprobs: z.array(z.record(z.string(), z.unknown())).meta({ description: 'Always empty.' }),
  })
  .meta({ id: 'OutputText' })

export const outputRefusal = z
  .object({ type: z.literal('refusal'), refusal: z.string() })
  .meta({ id: 'OutputRefusal' })

const inputText = z.object({ type: z.literal('input_text'), text: z.string() })
const inputImage = z.object({
  type: z.literal('input_image'),
  image_url: z.string(),
  detail: z.enum(['auto', 'low', 'high']),
})
const inputFile = z.object({
  type: z.literal('input_file'),
  filename: z.string().optional(),
  file_data: z.string().optional(),
  file_url: z.string().optional(),
})
export const inputPart = z.discriminatedUnion('type', [inputText, inputImage, inputFile])

export const outputMessage = z
  .object({
    id: z.string(),
    type: z.literal('message'),
    status: itemStatus,
    role: z.literal('assistant'),
    content: z.array(z.discriminatedUnion('type', [outputText, outputRefusal])),
    phase: z.enum(['commentary', 'final_answer']).optional(),
  })
  .meta({ id: 'OutputMessageItem', description: 'What a model said.' })

export const reasoningItem = z
  .object({
    id: z.string(),
    type: z.literal('reasoning'),
    summary: z.array(z.object({ type: z.literal('summary_text'), text: z.string() })),
    encrypted_content: z
      .string()
      .optional()
      .meta({ description: 'What its provider needs back, where it is included: encoded, not encrypted.' }),
  })
  .meta({ id: 'ReasoningItem', description: 'What a model thought, as far as its provider tells.' })

export const functionCall = z
  .object({
    id: z.string(),
    type: z.literal('function_call'),
    status: itemStatus,
    call_id: z.string(),
    name: z.string(),
    namespace: z.string().optional(),
    arguments: z.string(),
  })
  .meta({ id: 'FunctionCallItem', description: 'A model wants a function to be called.' })

export const compactionItem = z
  .object({
    id: z.string(),
    type: z.literal('compaction'),
    encrypted_content: z.string().meta({ description: 'Encoded, not encrypted.' }),
  })
  .meta({
    id: 'CompactionItem',
    description: 'What was said before, summed up: it stands for that, also where it is sent back.',
  })

/** What a model can answer with. */
export const outputItem = z
  .discriminatedUnion('type', [outputMessage, reasoningItem, functionCall, compactionItem])
  .meta({ id: 'OutputItem' })

const inputMessage = z
  .object({
    id: z.string(),
    type: z.literal('message'),
    status: itemStatus,
    role: z.enum(['user', 'system', 'developer']),
    content: z.array(inputPart),
  })
  .meta({ id: 'InputMessageItem', description: 'What a client said.' })

export const functionCallOutput = z
  .object({
    id: z.string(),
    type: z.literal('function_call_output'),
    status: itemStatus,
    call_id: z.string(),
    output: z.union([z.string(), z.array(inputPart)]),
  })
  .meta({ id: 'FunctionCallOutputItem', description: 'What came of a call.' })

/** Whatever can be said. */
export const item = z.union([outputItem, inputMessage, functionCallOutput]).meta({ id: 'ConversationItem' })

export type ItemStatus = z.infer<typeof itemStatus>
export type InputPart = z.infer<typeof inputPart>
export type OutputContent = z.infer<typeof outputMessage>['content'][number]
export type OutputItem = z.infer<typeof outputItem>
export type Item = z.infer<typeof item>
