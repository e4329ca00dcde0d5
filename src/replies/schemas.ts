import { z } from 'zod'
import { idParameter, wholeNumber } from '../http/parameters.ts'
import { metadataSchema, onBusySchema, roleSchema } from '../interactions/schemas.ts'
import { inputContent } from '../messages/content.ts'
import { messageSchema } from '../messages/schemas.ts'
import { plainText } from '../text.ts'

const maxWaitMs = 120_000

/** How an answer is asked for, and how it is told. */
const asking = {
  model: plainText({ min: 1, max: 256 })
    .optional()
    .meta({ description: "Instead of the interaction's own.", examples: ['builtin/eliza'] }),
  on_busy: onBusySchema.optional().meta({ description: "Instead of the interaction's own." }),
  stream: z.boolean().default(false).meta({ description: "Answer with the reply's events (SSE)." }),
  wait_ms: z
    .int()
    .min(0)
    .max(maxWaitMs)
    .default(0)
    .meta({ description: 'Wait at most so long for the reply to end.' }),
}

/** `POST /v1/messages/{id}/regenerate`; no body is the same as an empty one. */
export const regenerateInput = z.strictObject(asking).prefault({})

/** `POST /v1/messages/{id}/edit` */
export const editInput = z.strictObject({
  content: inputContent,
  ...asking,
  metadata: metadataSchema.optional().meta({ description: 'Instead of that of the message.' }),
})

/** `POST /v1/interactions/{id}/fork`; no body is the same as an empty one. */
export const forkInput = z
  .strictObject({
    message_id: idParameter().optional().meta({
      description: 'The last message that goes with it; else the newest one of the current branch.',
    }),
    title: plainText({ max: 512 }).nullish(),
  })
  .prefault({})

/** `POST /v1/interactions/{id}/messages` */
export const messageInput = z.strictObject({
  content: inputContent,
  role: roleSchema.extract(['Human', 'System', 'AI']).default('Human').meta({
    description: 'Who said it. A model answers what a Human said; the other roles are only stored.',
  }),
  parent_id: idParameter()
    .nullable()
    .optional()
    .meta({
      description:
        'The message that it follows, null for none; else the newest one of the current branch. Where that one is ' +
        'followed already, a branch begins, which becomes the current one.',
    }),
  ...asking,
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

export const regeneratedSchema = postedSchema
  .extend({ reply: messageSchema })
  .meta({ id: 'Regenerated', description: 'What is answered anew, and the new answer in the making.' })

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
