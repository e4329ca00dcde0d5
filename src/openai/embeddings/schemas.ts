import { z } from 'zod'
import { modelName } from '../../interactions/schemas.ts'
import { plainText } from '../../text.ts'

const maxTexts = 2_048
/** Clients may also send tokens, which every model has of its own. */
const text = z
  .string({ error: 'is not supported, but for texts' })
  .pipe(plainText({ min: 1, max: 1_000_000 }))

/** `POST /v1/embeddings` */
export const embeddingsInput = z.strictObject({
  model: modelName,
  // Counted apart: as one kind of input that is not right, a list would be told as something that is not supported.
  input: z
    .union([text, z.array(text)])
    .refine((input) => input.length > 0 && (typeof input === 'string' || input.length <= maxTexts), {
      error: `must be a text, or 1 to ${maxTexts} of them`,
    }),
  dimensions: z.int().min(1).max(100_000).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  user: plainText({ max: 512 }).nullish(),
})

export const embeddingList = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.int(),
        embedding: z.union([z.array(z.number()), z.string()]).meta({
          description: 'The vector; with `encoding_format: base64` its 32-bit floats, the lowest byte first.',
        }),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  })
  .meta({ id: 'EmbeddingList' })
