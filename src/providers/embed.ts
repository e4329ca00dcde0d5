import { ParleyError } from '../errors.ts'
import { explainFailure, ProviderFailure } from './failure.ts'
import type { Models } from './registry.ts'

/** How long a model may take to make vectors, where its provider needs no more. */
const usualTimeoutMs = 60_000

export interface Embeddings {
  /** The full name of the model that made them. */
  model: string
  vectors: number[][]
  /** As the provider counted them; null where it did not. */
  tokens: number | null
}

export interface EmbedOptions {
  model: string
  values: string[]
  dimensions: number | undefined
  signal: AbortSignal
}

export type Embed = ReturnType<typeof createEmbed>

/**
 * Makes vectors of texts; nothing is stored. At most `maxRunning` calls run at the same time for each provider.
 * Rejects with a ParleyError where it cannot be asked for, with a ProviderFailure where the provider failed.
 */
export function createEmbed(parts: { models: Pick<Models, 'resolve'>; maxRunning: number }) {
  const { models, maxRunning } = parts
  const running = new Map<string, number>()

  return async function embed({
    model: name,
    values,
    dimensions,
    signal,
  }: EmbedOptions): Promise<Embeddings> {
    const { provider, id, name: model } = models.resolve(name)
    if (!provider.embeddingModel) throw noEmbeddings(provider.name)
    const count = running.get(provider.name) ?? 0
    if (count >= maxRunning) throw busy()
    running.set(provider.name, count + 1)
    const timeoutMs = Math.max(provider.firstTokenTimeoutMs ?? 0, usualTimeoutMs)
    const late = AbortSignal.timeout(timeoutMs)
    const abortSignal = AbortSignal.any([signal, late])
    try {
      const embedding = await provider.embeddingModel(id)
      const atOnce = (await embedding.maxEmbeddingsPerCall) ?? values.length
      const vectors: number[][] = []
      let tokens: number | null = 0
      for (let from = 0; from < values.length; from += atOnce) {
        const some = values.slice(from, from + atOnce)
        const given = { values: some, abortSignal, ...(dimensions !== undefined && { dimensions }) }
        // One after the other: most take all of them at once, and the others shall not be overrun.
        const { embeddings, usage } = await embedding.doEmbed(given)
        if (embeddings.length !== some.length) throw wrongCount(embeddings.length, some.length)
        vectors.push(...embeddings)
        tokens = tokens === null || !usage ? null : tokens + usage.tokens
      }
      return { model, vectors, tokens }
    } catch (error) {
      if (late.aborted) throw new ProviderFailure('provider_timeout', `no vectors within ${timeoutMs} ms`)
      throw explainFailure(error)
    } finally {
      running.set(provider.name, (running.get(provider.name) ?? 1) - 1)
    }
  }
}

function wrongCount(got: number, wanted: number) {
  return new ProviderFailure('provider_malformed', `${got} vectors for ${wanted} texts`)
}

function noEmbeddings(provider: string) {
  const message = `the provider "${provider}" makes no embeddings`
  return new ParleyError('invalid_request', `model: ${message}`, {
    fields: [{ in: 'body', field: 'model', message }],
  })
}

function busy() {
  return new ParleyError('server_busy', 'Too many embeddings are being made by this provider.', {
    retryAfterMs: 1_000,
  })
}
