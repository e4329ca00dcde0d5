import { z } from 'zod'
import { plainText } from '../text.ts'
import { checkedJsonSchema } from './json-schema.ts'

export const formatName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')

/** What the text of an answer must be. */
export const responseFormat = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({
      type: z.literal('json_schema'),
      name: formatName,
      description: plainText({ max: 16_384 }).optional(),
      schema: checkedJsonSchema,
      strict: z
        .boolean()
        .optional()
        .meta({ description: 'The provider holds its model to the schema, where it can.' }),
    }),
  ])
  .meta({
    id: 'ResponseFormat',
    description:
      'What the text of the answer must be. An answer that is not so ends `incomplete` with `invalid_output`.',
  })

export type ResponseFormat = z.infer<typeof responseFormat>
