import { z } from 'zod'
import { metadataSchema, modelName } from '../../../interactions/schemas.ts'
import { replyErrorSchema, statusSchema } from '../../../messages/schemas.ts'
import { listOf, listQuery, queryWithMetadata } from '../../schemas.ts'
import { answeredMessage, chatCompletion } from '../schemas.ts'

/** One that is kept: also while it is made, or where it came to nothing. */
export const storedCompletion = chatCompletion
  .extend({ status: statusSchema, error: replyErrorSchema.nullable() })
  .meta({ id: 'StoredChatCompletion' })

export type StoredCompletion = z.infer<typeof storedCompletion>

export const completionParams = z.object({ id: z.string().max(100) })
export const completionChange = z.strictObject({ metadata: metadataSchema.nullable() })

export const completionPage = listOf(storedCompletion)

export const storedMessage = z
  .object({
    id: z.string(),
    role: z.enum(['system', 'user', 'assistant', 'tool']),
    content: z.string().nullable(),
    content_parts: z.array(z.record(z.string(), z.unknown())).nullable(),
    refusal: z.string().nullable(),
    tool_calls: answeredMessage.shape.tool_calls,
    tool_call_id: z.string().optional(),
  })
  .meta({ id: 'StoredChatMessage' })

export type StoredMessage = z.infer<typeof storedMessage>

export const storedMessagePage = listOf(storedMessage)

export const storedMessagesQuery = z.strictObject(listQuery('asc'))
export const completionsQuery = queryWithMetadata({ ...listQuery('asc'), model: modelName.optional() })
