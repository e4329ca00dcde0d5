import { z } from 'zod'
import { wholeNumber } from '../http/parameters.ts'
import { metadataSchema, modelsSchema, onBusySchema, roleSchema } from '../interactions/schemas.ts'
import { inputContent } from '../messages/content.ts'
import { messageSchema } from '../messages/schemas.ts'

const maxWaitMs = 120_000

/** `POST /v1/interactions/{id}/messages` */
export const messageInput = z.strictObject({
  content: inputContent,
  role: roleSchema.extract(['Human', 'System', 'AI']).default('Human').meta({
    description: 'Who said it. A model answers what a Human said; the other roles are only stored.',
  }),
  model: modelsSchema.optional().meta({
    description: "Instead of the interaction's own: one, or a list of up to 8.",
  }),
  on_busy: onBusySchema.optional().meta({ description: "Instead of the interaction's own." }),
  stream: z.boolean().default(false).meta({ description: "Answer with the reply's events (SSE)." }),
  wait_ms: z
    .int()
    .min(0)
    .max(maxWaitMs)
    .default(0)
    .meta({ description: 'Wait at most so long for the reply to end.' }),
  metadata: metadataSchema.optional(),
})

export const postedSchema = z
  .object({
    message: messageSchema,
    reply: messageSchema.nullable().meta({
      description: 'The answer in the making; follow it at `/v1/messages/{reply.id}/events`.',
    }),
  })
  .meta({ id: 'Posted' })

/** `GET /v1/messages/{id}/events` */
export const eventsQuery = z.strictObject({
  after: wholeNumber(0, 999_999_999_999_999)
    .optional()
    .meta({ description: 'Only the events behind this id, as `Last-Event-ID`.' }),
})

export const eventsHeaders = z.looseObject({
  'last-event-id': wholeNumber(0, 999_999_999_999_999)
    .optional()
    .meta({ description: 'The id of the last event that was received; stands above `after`.' }),
})
