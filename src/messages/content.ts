import { ParleyError } from '../errors.ts'
import type { SharedV4ProviderMetadata } from '@ai-sdk/provider'
import { z } from 'zod'
import type { Role } from '../interactions/interaction.ts'
import { plainText } from '../text.ts'
import { resourceUrl } from './resource.ts'
import type { Usage } from './usage.ts'

/** The longest text of one part. The body limit is lower by default; this one also holds where it was raised. */
export const maxTextChars = 4_000_000
export const maxParts = 64

export const textPart = z
  .strictObject({ type: z.literal('text'), text: plainText({ min: 1, max: maxTextChars }) })
  .meta({ id: 'TextPart', description: 'Text that was said.' })

export const imagePart = z
  .strictObject({
    type: z.literal('image'),
    url: resourceUrl,
    detail: z
      .enum(['auto', 'low', 'high'])
      .optional()
      .meta({ description: 'How closely the model looks, where it can choose.' }),
  })
  .meta({ id: 'ImagePart', description: 'A picture.' })

export const filePart = z
  .strictObject({
    type: z.literal('file'),
    filename: plainText({ min: 1, max: 512 }).optional(),
    media_type: z
      .string()
      .max(128)
      .regex(/^[\w.+-]+\/[\w.+-]+$/)
      .optional()
      .meta({ description: 'What it is, where the address does not say so.', examples: ['application/pdf'] }),
    url: resourceUrl,
  })
  .meta({ id: 'FilePart', description: 'A file, such as a PDF.' })

const refusalPart = z
  .strictObject({ type: z.literal('refusal'), text: z.string() })
  .meta({ id: 'RefusalPart', description: 'What a model said where it would not answer.' })

const reasoningPart = z
  .strictObject({ type: z.literal('reasoning'), text: z.string() })
  .meta({ id: 'ReasoningPart', description: 'What a model thought before it answered.' })

/** What a call is known by, between the model and who answers it. */
export const callId = plainText({ min: 1, max: 256 })
export const toolName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')
  .meta({ examples: ['get_weather'] })

export const toolCallPart = z
  .strictObject({
    type: z.literal('tool_call'),
    call_id: callId,
    name: plainText({ min: 1, max: 256 }),
    namespace: plainText({ min: 1, max: 256 })
      .optional()
      .meta({ description: 'Of the tool, where its client has several of that name.' }),
    arguments: plainText({ max: maxTextChars }).meta({ description: 'JSON, as the model wrote it.' }),
  })
  .meta({ id: 'ToolCallPart', description: 'A model wants a tool to be called.' })

/** What a tool may give back beside a bare text. */
export const resultPart = z.discriminatedUnion('type', [textPart, imagePart, filePart])

export const toolResultPart = z
  .strictObject({
    type: z.literal('tool_result'),
    call_id: callId,
    output: z.union([plainText({ max: maxTextChars }), z.array(resultPart).min(1).max(maxParts)]),
    is_error: z.boolean().optional().meta({ description: 'The tool failed; the output says how.' }),
  })
  .meta({ id: 'ToolResultPart', description: 'What came of a call, by its `call_id`.' })

const compactionPart = z
  .strictObject({
    type: z.literal('compaction'),
    summary: z.string(),
    instructions: z.string().optional().meta({ description: 'What the system said before it.' }),
    question: z.string().optional().meta({ description: 'What was asked last before it.' }),
  })
  .meta({
    id: 'CompactionPart',
    description: 'What was said before, summed up. Models are given it in place of that, which stays stored.',
  })

/** What a client may say; who may say what is in `misplacedParts`. */
const inputPart = z.discriminatedUnion('type', [textPart, imagePart, filePart, toolCallPart, toolResultPart])

export const inputContent = z
  .union([plainText({ min: 1, max: maxTextChars }), z.array(inputPart).min(1).max(maxParts)])
  .meta({
    description:
      'A text, or the parts of a message: text, images and files of a Human, text of the System, text and tool ' +
      'calls of an AI, tool results of a Tool.',
  })

/** What a message shows. */
export const contentPart = z.discriminatedUnion('type', [
  textPart,
  reasoningPart,
  imagePart,
  filePart,
  refusalPart,
  toolCallPart,
  toolResultPart,
  compactionPart,
])

export type TextPart = z.infer<typeof textPart>
export type ImagePart = z.infer<typeof imagePart>
export type FilePart = z.infer<typeof filePart>
export type RefusalPart = z.infer<typeof refusalPart>
export type ToolResultPart = z.infer<typeof toolResultPart>

/** What a provider needs back with a part that its model made, such as a signature; by the provider's name. */
interface Made {
  provider?: SharedV4ProviderMetadata
}
/** What of a thought is for its provider alone is told to clients that carry it from turn to turn. */
interface Sealed {
  /** It was told: a thought without a text is there for its client, too. */
  sealed?: true
  /** It is no thought, but what the provider needs back with this call. */
  call_id?: string
}
export type ReasoningPart = z.infer<typeof reasoningPart> & Made & Sealed
export type ToolCallPart = z.infer<typeof toolCallPart> & Made

export type CompactionPart = z.infer<typeof compactionPart> & {
  /** What it took to make it. */
  usage?: Usage
}

/** Which of its kind in its message a part belongs to, where that cannot be counted any more: one before it is gone. */
interface Numbered {
  number?: number
}

/** What a message holds. */
export type ContentPart = Numbered &
  (
    | TextPart
    | ReasoningPart
    | ImagePart
    | FilePart
    | RefusalPart
    | ToolCallPart
    | ToolResultPart
    | CompactionPart
  )
export type ShownPart = z.infer<typeof contentPart>
export type InputContent = string | ContentPart[]

/** The parts of what was said as a text or as parts. */
export function partsOf(content: InputContent): ContentPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

/** The text of a message: its text parts, joined. */
export function textOf(content: ContentPart[]): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

/** As it is shown, and as events told it: without what only the provider needs, or who asks for a part by its number. */
export function shownContent(content: ContentPart[]): ShownPart[] {
  const shown: ShownPart[] = []
  let isBroken = false
  for (const part of content) {
    const last = shown.at(-1)
    if (part.type === 'reasoning' && part.text === '') isBroken = true
    else if (part.type === 'reasoning') addReasoning(shown, part.text)
    else if (part.type === 'text' && last?.type === 'text' && isBroken) {
      shown[shown.length - 1] = { type: 'text', text: last.text + part.text }
    } else shown.push(bare(part))
    isBroken &&= part.type === 'reasoning'
  }
  return shown
}

/** Thoughts that follow each other are kept apart for their provider alone. */
function addReasoning(shown: ShownPart[], text: string) {
  const last = shown.at(-1)
  if (last?.type === 'reasoning') shown[shown.length - 1] = { type: 'reasoning', text: last.text + text }
  else shown.push({ type: 'reasoning', text })
}

function bare({ number: _, ...part }: Exclude<ContentPart, ReasoningPart>): ShownPart {
  if (part.type === 'tool_call') {
    const { provider, ...call } = part
    return call
  }
  if (part.type !== 'compaction') return part
  const { usage, ...compaction } = part
  return compaction
}

const sayable: Record<Role, ReadonlySet<ContentPart['type']>> = {
  System: new Set(['text']),
  Human: new Set(['text', 'image', 'file']),
  AI: new Set(['text', 'tool_call']),
  Tool: new Set(['tool_result']),
}

/** The fields of `content` that are not for `role` to say, and why. */
export function misplacedParts(role: Role, content: InputContent): Array<{ path: string; message: string }> {
  const may = sayable[role]
  const only = `what a ${role} says is of type ${[...may].join(', ')}`
  if (typeof content === 'string') return may.has('text') ? [] : [{ path: 'content', message: only }]
  return content.flatMap(({ type }, index) =>
    may.has(type) ? [] : [{ path: `content.${index}.type`, message: only }],
  )
}

/** Refuses parts that are not for this role to say. */
export function mustFit(role: Role, content: ContentPart[]): void {
  const fields = misplacedParts(role, content).map(
    ({ path, message }) => ({ in: 'body', field: path, message }) as const,
  )
  const [first] = fields
  if (first) throw new ParleyError('invalid_request', `${first.field}: ${first.message}`, { fields })
}
