import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { replyErrors } from '../../errors.ts'
import { openAiRefusals } from '../../http/answers.ts'
import { sendFailure } from '../../http/openai-error.ts'
import type { Embed } from '../../providers/embed.ts'
import { ProviderFailure } from '../../providers/failure.ts'
import { embeddingList, embeddingsInput } from './schemas.ts'

/** `POST /v1/embeddings`, passed through to the model's provider. Nothing of it is stored. */
export function embeddingRoutes(app: FastifyInstance, { embed }: { embed: Embed }) {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.post(
    '/v1/embeddings',
    {
      schema: {
        tags: ['Embeddings'],
        summary: 'Make vectors of texts',
        body: embeddingsInput,
        response: { 200: embeddingList, ...openAiRefusals.answering('unknown_model', 'server_busy') },
      },
    },
    async (request, reply) => {
      const { model, input, dimensions, encoding_format: encoding } = request.body
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      try {
        const made = await embed({
          model,
          values: typeof input === 'string' ? [input] : input,
          dimensions: dimensions ?? undefined,
          signal: gone.signal,
        })
        return {
          object: 'list' as const,
          data: made.vectors.map((vector, index) => ({
            object: 'embedding' as const,
            index,
            embedding: encoding === 'base64' ? base64Of(vector) : vector,
          })),
          model: made.model,
          usage: { prompt_tokens: made.tokens ?? 0, total_tokens: made.tokens ?? 0 },
        }
      } catch (error) {
        if (!(error instanceof ProviderFailure)) throw error
        const { code, message: detail, retryAfterMs, words } = error
        if (!gone.signal.aborted)
          request.log.warn({ req_id: request.id, model, code, detail }, 'no embeddings')
        if (words) request.log.debug({ req_id: request.id, words }, 'what the provider said')
        return sendFailure(reply, { code, message: replyErrors[code] }, retryAfterMs)
      }
    },
  )
}

function base64Of(vector: number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4)
  return bytes.toString('base64')
}
