import { z } from 'zod'
import { wholeNumber } from '../../../http/parameters.ts'
import { metadataSchema, modelName } from '../../../interactions/schemas.ts'
import { replyErrorSchema, statusSchema } from '../../../messages/schemas.ts'
import { plainText } from '../../../text.ts'
import { answeredMessage, chatCompletion } from '../schemas.ts'

/** One that is kept: also while it is made, or where it came to nothing. */
export const storedCompletion = chatCompletion
  .extend({ status: statusSchema, error: replyErrorSchema.nullable() })
  .meta({ id: 'StoredChatCompletion' })

export type StoredCompletion = z.infer<typeof storedCompletion>

export const completionParams = z.object({ id: z.string().max(100) })
export const completionChange = z.strictObject({ metadata: metadataSchema.nullable() })

export const completionPage = z.object({
  object: z.literal('list'),
  data: z.array(storedCompletion),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
})

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

export const storedMessagePage = completionPage.extend({ data: z.array(storedMessage) })

/** Oldest first, as OpenAI lists completions. */
const listQuery = {
  limit: wholeNumber(1, 100).default(20),
  order: z.enum(['asc', 'desc']).default('asc'),
  after: z.string().max(100).optional(),
}

export const storedMessagesQuery = z.strictObject(listQuery)

/** `metadata[key]=value` for each pair that is asked for. */
export const completionsQuery = z
  .object({ ...listQuery, model: modelName.optional() })
  .catchall(plainText({ max: 512 }))
  .superRefine((query, { addIssue }) => {
    for (const key of Object.keys(query)) {
      if (key in listQuery || key === 'model' || metadataKey(key) !== undefined) continue
      addIssue({ code: 'unrecognized_keys', keys: [key], input: query })
    }
  })

/** The pairs of a query for completions. */
export function metadataIn(query: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) => {
      const key = metadataKey(name)
      return key === undefined ? [] : [[key, String(value)]]
    }),
  )
}

function metadataKey(name: string): string | undefined {
  return /^metadata\[(.{1,64})\]$/.exec(name)?.[1]
}
