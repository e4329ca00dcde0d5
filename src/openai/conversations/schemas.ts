import { z } from 'zod'
import { metadataSchema, modelName } from '../../interactions/schemas.ts'
import { plainText } from '../../text.ts'
import { inputItem } from '../responses/input.ts'
import { listOf, listQuery, queryWithMetadata } from '../schemas.ts'

/** As many as OpenAI takes at once. */
export const maxItems = 20

/** What a conversation is answered with where a response names nothing else: not OpenAI's. */
const defaults = {
  title: plainText({ max: 512 }).nullish(),
  model: modelName.optional(),
  instructions: plainText({ max: 1_000_000 }).nullish(),
}

/** `POST /v1/conversations`; no body is the same as an empty one. */
export const conversationInput = z
  .strictObject({
    items: z.array(inputItem).max(maxItems).nullish(),
    metadata: metadataSchema.nullish(),
    ...defaults,
  })
  .prefault({})

/** `POST /v1/conversations/{id}`: what is left out stays. */
export const conversationChange = z.strictObject({ metadata: metadataSchema.nullish(), ...defaults })

export const conversationParams = z.object({
  id: z.string().min(1).max(200).meta({ description: 'Of a conversation: `conv_…`.' }),
})

export const conversation = z
  .object({
    id: z.string(),
    object: z.literal('conversation'),
    created_at: z.int(),
    metadata: z.record(z.string(), z.string()),
    title: z.string().nullable(),
    model: z.string().meta({ description: 'Answers where a response names none.' }),
    instructions: z.string().nullable().meta({ description: 'Given where a response has none of its own.' }),
  })
  .meta({ id: 'Conversation', description: 'An interaction, as this door shows it.' })

export type Conversation = z.infer<typeof conversation>

export const conversationPage = listOf(conversation)

export const deletedConversation = z.object({
  id: z.string(),
  object: z.literal('conversation.deleted'),
  deleted: z.literal(true),
})

/** `GET /v1/conversations`: newest first, as they are looked for. */
export const conversationsQuery = queryWithMetadata({
  ...listQuery('desc'),
  query: plainText({ min: 1, max: 256 })
    .optional()
    .meta({ description: 'Only those that have this in their title, their metadata or what was said.' }),
})
