import type { EmbeddingModelV4 } from '@ai-sdk/provider'
import { z } from 'zod'
import { ProviderFailure } from '../failure.ts'
import { readText } from '../http.ts'
import type { Address } from './model.ts'
import { refusal } from './refusal.ts'

/** As many as OpenAI takes at once. */
const maxEmbeddingsPerCall = 2_048
/** Vectors are long: as many of them, in text, as are answered at once. */
const maxAnswerBytes = 256 * 1024 * 1024

const answerSchema = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.array(z.number()).min(1) })),
  usage: z.object({ prompt_tokens: z.int().nullish() }).nullish(),
})

/** A model behind `POST …/embeddings`. */
export function createEmbeddingModel(options: Address): EmbeddingModelV4 {
  const { provider, modelId, url, headers, http } = options
  return {
    specificationVersion: 'v4',
    provider,
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls: false,
    async doEmbed({ values, dimensions, abortSignal }) {
      const response = await http.send(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
        body: JSON.stringify({
          model: modelId,
          input: values,
          encoding_format: 'float',
          ...(dimensions !== undefined && { dimensions }),
        }),
        signal: abortSignal,
      })
      if (response.statusCode !== 200) throw await refusal(url.href, response)
      const { data, usage } = read(await readText(response, maxAnswerBytes))
      const tokens = usage?.prompt_tokens
      return {
        embeddings: data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding),
        ...(typeof tokens === 'number' && { usage: { tokens } }),
        warnings: [],
      }
    },
  }
}

function read(text: string): z.infer<typeof answerSchema> {
  try {
    return answerSchema.parse(JSON.parse(text))
  } catch (error) {
    throw new ProviderFailure('provider_malformed', 'the embeddings have no known shape', { cause: error })
  }
}
