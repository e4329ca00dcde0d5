import { z } from 'zod'
import { plainText } from '../text.ts'

/** The longest text of one part. The body limit is lower by default; this one also holds where it was raised. */
export const maxTextChars = 4_000_000
export const maxParts = 64

export const textPart = z
  .strictObject({ type: z.literal('text'), text: plainText({ min: 1, max: maxTextChars }) })
  .meta({ id: 'TextPart', description: 'Text that was said.' })

const reasoningPart = z
  .strictObject({ type: z.literal('reasoning'), text: z.string() })
  .meta({ id: 'ReasoningPart', description: 'What a model thought before it answered.' })

/** What a client may say. */
export const inputContent = z
  .union([plainText({ min: 1, max: maxTextChars }), z.array(textPart).min(1).max(maxParts)])
  .meta({ description: 'A text, or the parts of a message.' })

/** What a message holds. */
export const contentPart = z.discriminatedUnion('type', [textPart, reasoningPart])

export type InputContent = z.infer<typeof inputContent>
export type ContentPart = z.infer<typeof contentPart>

/** The parts of what was said as a text or as parts. */
export function partsOf(content: InputContent): ContentPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

/** The text of a message: its text parts, joined. */
export function textOf(content: ContentPart[]): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
