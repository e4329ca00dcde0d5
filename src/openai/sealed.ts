import { z } from 'zod'
import { ParleyError } from '../errors.ts'
import { type CompactionPart, maxTextChars } from '../messages/content.ts'
import type { SealedThought } from '../replies/said.ts'

/**
 * What a client carries from turn to turn without reading it: encoded, not encrypted, because all of it is the client's
 * own, or of use to nobody but the provider it came from.
 */
const mark = 'parley.v1.'

function seal(value: object): string {
  return mark + Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Undefined where it was sealed by somebody else. */
function open<Value>(schema: z.ZodType<Value>, sealed: string, place: string): Value | undefined {
  if (!sealed.startsWith(mark)) return undefined
  try {
    return schema.parse(JSON.parse(Buffer.from(sealed.slice(mark.length), 'base64url').toString()))
  } catch {
    throw notOurs(place)
  }
}

function notOurs(place: string): ParleyError {
  const message = 'was not made by this server'
  const field = `${place}.encrypted_content`
  return new ParleyError('invalid_request', `${field}: ${message}`, {
    fields: [{ in: 'body', field, message }],
  })
}

const maxThoughts = 256
const maxDepth = 8
const text = z.string().max(maxTextChars)

const thoughts = z.strictObject({
  thoughts: z
    .array(
      z.strictObject({
        text,
        provider: z
          .record(z.string(), z.record(z.string(), z.json()))
          .refine((given) => isFlat(given, maxDepth)),
        call_id: z.string().min(1).max(256).optional(),
      }),
    )
    .min(1)
    .max(maxThoughts),
})

function isFlat(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((inner) => isFlat(inner, depth - 1))
}

export function sealThoughts(given: SealedThought[]): string {
  return seal({ thoughts: given })
}

/** What a client brings back of them. Those of another server mean nothing here: it has just come from there. */
export function openThoughts(sealed: string, place: string): SealedThought[] {
  return (open(thoughts, sealed, place)?.thoughts ?? []) as SealedThought[]
}

const summary = z.strictObject({
  summary: text.min(1),
  instructions: text.optional(),
  question: text.optional(),
})

type Summary = Pick<CompactionPart, 'summary' | 'instructions' | 'question'>

export function sealSummary(given: Summary): string {
  return seal(given)
}

/** What a client brings back of it. Without that of another server nothing would be left of what was said. */
export function openSummary(sealed: string, place: string): Summary {
  const opened = open(summary, sealed, place)
  if (!opened) throw notOurs(place)
  return opened
}
