import { z } from 'zod'
import { textOf } from '../messages/content.ts'
import { isOpen, type Message } from '../messages/message.ts'
import type { Interaction, Role } from '../interactions/interaction.ts'
import { plainText } from '../text.ts'

/** The roles of 2023. */
export const originalRoles = ['System', 'Human', 'Ai'] as const
const roleSchema = z.enum(originalRoles)

/** Numbers were taken for texts, as pydantic 1 did. */
function coercedText(options: { min?: number; max: number }) {
  return z.preprocess((value) => (typeof value === 'number' ? String(value) : value), plainText(options))
}

/** Fields beyond these were ignored, and still are: a client chooses neither ids nor times. */
export const interactionInput = z.object({
  model_name: coercedText({ min: 1, max: 256 }).optional(),
  role: roleSchema.default('System'),
  prompt: coercedText({ max: 1_000_000 }).nullable().default(null),
})

export const messageInput = z.object({
  role: roleSchema,
  content: coercedText({ min: 1, max: 4_000_000 }),
})

/** An id in any spelling that Python took: without hyphens, in braces, as a URN, in capitals, of any version. */
export const interactionParams = z.object({
  id: z.preprocess((value) => (typeof value === 'string' ? canonicalId(value) : value), z.guid()),
})

function canonicalId(spelling: string): string {
  const digits = spelling
    .replace('urn:', '')
    .replace('uuid:', '')
    .replaceAll(/^[{}]+|[{}]+$|-/g, '')
    .toLowerCase()
  if (!/^[\da-f]{32}$/.test(digits)) return spelling
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const uuid = z.uuid()
/** Times without a zone, in UTC, with microseconds. */
const time = z.string().meta({ examples: ['2023-10-01T12:00:00.000000'] })

export const originalInteraction = z
  .object({
    id: uuid,
    created_at: time,
    updated_at: time,
    model_name: z.string(),
    role: roleSchema,
    prompt: z.string().nullable(),
  })
  .meta({ id: 'OriginalInteraction' })

export const originalMessage = z
  .object({
    id: uuid,
    created_at: time,
    updated_at: time,
    role: roleSchema,
    content: z.string(),
    interaction_id: uuid,
  })
  .meta({ id: 'OriginalMessage' })

export const originalList = z.object({
  data: z.array(
    z
      .object({
        id: uuid,
        created_at: time,
        updated_at: time,
        settings: z.object({ model_name: z.string(), role: roleSchema, prompt: z.string().nullable() }),
        messages: z.array(originalMessage),
      })
      .meta({ id: 'OriginalInteractionWithMessages' }),
  ),
})

export const originalErrors = z
  .object({
    detail: z.array(
      z.object({
        loc: z.array(z.union([z.string(), z.int()])),
        msg: z.string(),
        type: z.string(),
        ctx: z.record(z.string(), z.unknown()).optional(),
      }),
    ),
  })
  .meta({ id: 'OriginalValidationError' })

export const originalError = z.object({ detail: z.string() }).meta({ id: 'OriginalError' })

export function roleFrom2023(role: (typeof originalRoles)[number]): Role {
  return role === 'Ai' ? 'AI' : role
}

function roleOf2023(role: Role): (typeof originalRoles)[number] {
  if (role === 'AI') return 'Ai'
  return role === 'Tool' ? 'System' : role
}

function timeOf2023(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000')
}

export function interactionView(interaction: Interaction): z.infer<typeof originalInteraction> {
  const { id, createdAt, updatedAt, model, role, prompt } = interaction
  return {
    id,
    created_at: timeOf2023(createdAt),
    updated_at: timeOf2023(updatedAt),
    model_name: model,
    role: roleOf2023(role),
    prompt,
  }
}

export function listedView(
  interaction: Interaction,
  messages: Message[],
): z.infer<typeof originalList>['data'][number] {
  const { id, created_at, updated_at, ...settings } = interactionView(interaction)
  return { id, created_at, updated_at, settings, messages: messages.filter(isSaid).map(messageView) }
}

/** An answer was there when it was whole, and not before. There was nothing but text: calls of tools were not. */
export function isSaid({ content, making }: Message): boolean {
  if (making && isOpen(making.status)) return false
  return textOf(content) !== '' || content.every(({ type }) => type === 'reasoning')
}

/** An answer that failed says so: those clients know no other place for it. */
export function messageView(message: Message): z.infer<typeof originalMessage> {
  const { id, createdAt, updatedAt, role, content, interactionId, making } = message
  return {
    id,
    created_at: timeOf2023(createdAt),
    updated_at: timeOf2023(updatedAt),
    role: roleOf2023(role),
    content: textOf(content) || (making?.error?.message ?? ''),
    interaction_id: interactionId,
  }
}
