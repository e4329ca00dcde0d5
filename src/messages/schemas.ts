import { z } from 'zod'
import { isoTime } from '../clock.ts'
import { replyErrors, type ReplyErrorCode } from '../errors.ts'
import { pageQuery, pageSchema } from '../http/pagination.ts'
import { wholeNumber } from '../http/parameters.ts'
import { interactionSchema, metadataSchema, roleSchema } from '../interactions/schemas.ts'
import type { Branch } from './branch-store.ts'
import { maxBranches } from './branching.ts'
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
    branch: z.int().meta({ description: 'The branch that it was said in first; 0 is what came first.' }),
    parent_id: z.uuid().nullable().meta({ description: 'The message that it follows.' }),
    role: roleSchema,
    status: statusSchema,
    content: z.array(contentPart),
    text: z.string().meta({ description: 'The text parts of the content, joined.' }),
    model: z.string().nullable().meta({ description: 'Who answers, or answered.' }),
    tried: z
      .array(z.object({ model: z.string(), code: replyErrorSchema.shape.code, at: z.iso.datetime() }))
      .meta({ description: 'Who could not answer before, and why; the last 32 times, newest last.' }),
    usage: usageSchema.nullable(),
    finish_reason: z.string().nullable(),
    error: replyErrorSchema.nullable(),
    attempt: z.int().meta({
      description:
        'The number of the last attempt at it. Each asks a model, but for one that only ends a reply which is given up.',
    }),
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

export const messagesQuery = pageQuery('asc').extend({
  branch: wholeNumber(0, maxBranches)
    .optional()
    .meta({ description: "The branch to follow; the interaction's current one unless given." }),
  include: z
    .literal('siblings')
    .optional()
    .meta({ description: 'Also what else was said in the place of each message.' }),
})
export const messagePage = pageSchema(
  messageSchema.extend({
    siblings: z
      .array(z.object({ id: z.uuid(), branch: z.int() }))
      .optional()
      .meta({ description: 'With `include=siblings`: the message and those that stand in its place.' }),
  }),
).meta({ id: 'MessagePage' })

/** `GET /v1/interactions/{id}/branches` */
export const branchesQuery = pageQuery('asc')
export const branchSchema = z
  .object({
    object: z.literal('branch'),
    id: z.uuid(),
    number: z.int().meta({ description: '1, 2, 3, … in the order of their making.' }),
    parent: z.int().meta({ description: 'The branch that it left.' }),
    fork_position: z.int().meta({ description: 'The last position that both share; 0 where there is none.' }),
    first_position: z.int().meta({ description: 'Of its first message of its own.' }),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Branch', description: 'Another way that a conversation went.' })
export const branchPage = pageSchema(branchSchema)

/** A branch as the API shows it. */
export function branchView(branch: Branch): z.infer<typeof branchSchema> {
  const { id, number, shared, forkPosition, firstPosition, createdAt } = branch
  return {
    object: 'branch',
    id,
    number,
    parent: shared.at(-1)?.branch ?? 0,
    fork_position: forkPosition,
    first_position: firstPosition,
    created_at: isoTime(createdAt),
  }
}

export const messageQuery = z.strictObject({
  include: z.literal('interaction').optional().meta({ description: 'Also the interaction it belongs to.' }),
})
export const messageWithInteraction = messageSchema.extend({ interaction: interactionSchema.optional() })

/** A message as the API shows it. */
export function messageView(message: Message): z.infer<typeof messageSchema> {
  const {
    id,
    interactionId,
    position,
    branch,
    parentId,
    role,
    content,
    metadata,
    createdAt,
    updatedAt,
    making,
  } = message
  return {
    object: 'message',
    id,
    interaction_id: interactionId,
    position,
    branch,
    parent_id: parentId,
    role,
    status: making?.status ?? 'completed',
    content: shownContent(content),
    text: textOf(content),
    model: making?.model ?? null,
    tried: (making?.tried ?? []).map(({ model, code, at }) => ({ model, code, at: isoTime(at) })),
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
