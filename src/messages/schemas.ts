import { z } from 'zod'
import { isoTime } from '../clock.ts'
import { replyErrors, type ReplyErrorCode } from '../errors.ts'
import { pageQuery, pageSchema } from '../http/pagination.ts'
import { interactionSchema, metadataSchema, roleSchema } from '../interactions/schemas.ts'
import { contentPart, inputContent, shownContent, textOf } from './content.ts'
import { type Message, messageStatuses } from './message.ts'

export const statusSchema = z.enum(messageStatuses).meta({ id: 'MessageStatus' })

export const replyErrorSchema = z
  .object({
    code: z.enum(Object.keys(replyErrors) as [ReplyErrorCode, ...ReplyErrorCode[]]),
    message: z.string(),
  })
  .meta({ id: 'ReplyError', description: 'Why a reply has no (whole) answer.' })

export const usageSchema = z
  .object({
    input_tokens: z.int().nullable(),
    cached_input_tokens: z.int().nullable(),
    output_tokens: z.int().nullable(),
    reasoning_tokens: z.int().nullable(),
  })
  .meta({ id: 'Usage', description: 'Tokens as the provider counted them; null where it did not say.' })

export const messageSchema = z
  .object({
    object: z.literal('message'),
    id: z.uuid(),
    interaction_id: z.uuid(),
    position: z.int().meta({ description: 'Its place in the interaction: 1, 2, 3, …' }),
    role: roleSchema,
    status: statusSchema,
    content: z.array(contentPart),
    text: z.string().meta({ description: 'The text parts of the content, joined.' }),
    model: z.string().nullable(),
    usage: usageSchema.nullable(),
    finish_reason: z.string().nullable(),
    error: replyErrorSchema.nullable(),
    attempt: z.int().meta({ description: 'How often a model was asked.' }),
    metadata: z.record(z.string(), z.string()),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    completed_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Message', description: 'What was said, or is being said.' })

export const messageChange = z.strictObject({
  content: inputContent.optional(),
  metadata: metadataSchema.optional(),
})

export const messagesQuery = pageQuery('asc')
export const messagePage = pageSchema(messageSchema).meta({ id: 'MessagePage' })

export const messageQuery = z.strictObject({
  include: z.literal('interaction').optional().meta({ description: 'Also the interaction it belongs to.' }),
})
export const messageWithInteraction = messageSchema.extend({ interaction: interactionSchema.optional() })

/** A message as the API shows it. */
export function messageView(message: Message): z.infer<typeof messageSchema> {
  const { id, interactionId, position, role, content, metadata, createdAt, updatedAt, making } = message
  return {
    object: 'message',
    id,
    interaction_id: interactionId,
    position,
    role,
    status: making?.status ?? 'completed',
    content: shownContent(content),
    text: textOf(content),
    model: making?.model ?? null,
    usage: making?.usage ?? null,
    finish_reason: making?.finishReason ?? null,
    error: making?.error ?? null,
    attempt: making?.attempt ?? 0,
    metadata,
    created_at: isoTime(createdAt),
    updated_at: isoTime(updatedAt),
    completed_at: isoTime(making ? making.completedAt : createdAt),
  }
}
