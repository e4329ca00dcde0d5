import { z } from 'zod'
import { isoTime } from '../../clock.ts'
import { pageQuery, pageSchema } from '../../http/pagination.ts'
import { idParameter } from '../../http/parameters.ts'
import { replyErrorSchema, statusSchema } from '../../messages/schemas.ts'
import { plainText } from '../../text.ts'
import type { Requeued } from './requeue.ts'
import { type ReplySummary, requeueable } from './store.ts'

const maxAtOnce = 100

const filter = {
  error: replyErrorSchema.shape.code
    .optional()
    .meta({ description: 'Only those that ended with this code.' }),
  model: plainText({ min: 1, max: 256 })
    .optional()
    .meta({
      description: 'Only those of this model, as `provider/model`.',
      examples: ['builtin/eliza'],
    }),
}

/** `GET /v1/replies` */
export const repliesQuery = pageQuery('desc').extend({
  status: statusSchema.optional().meta({ description: 'Only those of this status.' }),
  ...filter,
})

export const replySchema = z
  .object({
    object: z.literal('reply'),
    id: z.uuid().meta({ description: 'Of its message.' }),
    interaction_id: z.uuid(),
    position: z.int(),
    status: statusSchema,
    model: z.string(),
    error: replyErrorSchema.nullable(),
    attempt: z.int().meta({ description: 'The number of the last attempt at it.' }),
    crashes: z.int().meta({ description: 'Attempts that ended because the server was killed.' }),
    failures: z.int().meta({ description: 'Attempts after which a failing provider was tried again.' }),
    throttles: z.int().meta({ description: 'Attempts after which a rate limit was waited for.' }),
    created_at: z.iso.datetime(),
    completed_at: z.iso.datetime().nullable(),
  })
  .meta({
    id: 'Reply',
    description: 'How a message that a model makes is coming along, without its content.',
  })

export const replyPage = pageSchema(replySchema).meta({ id: 'ReplyPage' })

/** `POST /v1/replies/requeue`; no body is the same as an empty one. */
export const requeueInput = z
  .strictObject({
    status: z.enum(requeueable).default('failed'),
    ...filter,
    limit: z.int().min(1).max(maxAtOnce).default(maxAtOnce).meta({ description: 'At most so many.' }),
    order: z.enum(['asc', 'desc']).default('asc').meta({ description: 'Oldest or newest first.' }),
    after: idParameter().optional().meta({ description: 'Only what follows this reply.' }),
    before: idParameter().optional().meta({ description: 'Only what stands in front of this reply.' }),
  })
  .prefault({})

export const requeuedSchema = z
  .object({
    object: z.literal('requeued'),
    requeued: z.int().meta({ description: 'How many are made anew.' }),
    has_more: z.boolean(),
    next: z.uuid().nullable().meta({ description: 'Pass it as the same cursor to go on behind these.' }),
  })
  .meta({ id: 'Requeued' })

/** A reply as the API lists it. */
export function replyView(reply: ReplySummary): z.infer<typeof replySchema> {
  const { id, interactionId, position, status, model, error, attempt } = reply
  const { crashes, failures, throttles, createdAt, completedAt } = reply
  return {
    object: 'reply',
    id,
    interaction_id: interactionId,
    position,
    status,
    model,
    error,
    attempt,
    crashes,
    failures,
    throttles,
    created_at: isoTime(createdAt),
    completed_at: isoTime(completedAt),
  }
}

export function requeuedView({ count, hasMore, next }: Requeued): z.infer<typeof requeuedSchema> {
  return { object: 'requeued', requeued: count, has_more: hasMore, next }
}
