import type { ProviderHttp } from '../http.ts'
import { fetchModels } from '../model-list.ts'
import type { Provider, ProviderSource } from '../provider.ts'
import { createEmbeddingModel } from './embedding-model.ts'
import { createChatModel } from './model.ts'
import type { Continues } from './request.ts'
import { createThoughts } from './thoughts.ts'
import { type TokenLimit, usualTokenLimit } from './token-limit.ts'

export interface OpenAICompatibleOptions {
  name: string
  source: ProviderSource
  /** Up to and including the version: `https://api.example.com/v1`. */
  baseUrl: string
  apiKey?: string | undefined
  preferredModel?: string | undefined
  /** What it offers, where it cannot list that itself. */
  models?: string[] | undefined
  contextWindowTokens?: number | undefined
  firstTokenTimeoutMs?: number | undefined
  /** How it is told to go on with a last message of the assistant's; it cannot do that where this is not said. */
  continues?: Continues | undefined
  /** What it calls the limit of an answer, where that is not the usual there. */
  tokenLimit?: TokenLimit | undefined
  http: ProviderHttp
  /** The address and the name on the wire of a model, where they are not the usual ones. */
  addressOf?: (id: string) => { url: URL; modelId: string }
}

/** Any endpoint that speaks OpenAI's chat completions: vLLM, LM Studio, llama.cpp, OpenRouter, … */
export function createOpenAICompatible(options: OpenAICompatibleOptions): Provider {
  const { name, source, baseUrl, apiKey, http, models, contextWindowTokens, firstTokenTimeoutMs, continues } =
    options
  const headers: Record<string, string> = apiKey ? { authorization: `Bearer ${apiKey}` } : {}
  const chat = new URL(`${baseUrl}/chat/completions`)
  const embeddings = new URL(`${baseUrl}/embeddings`)
  const dialect = { continues, tokenLimit: options.tokenLimit ?? usualTokenLimit(baseUrl) }
  const thoughts = createThoughts(name)
  const addressOf = options.addressOf ?? ((id) => ({ url: chat, modelId: id }))

  return {
    name,
    source,
    preferredModel: options.preferredModel ?? models?.[0],
    ...(firstTokenTimeoutMs !== undefined && { firstTokenTimeoutMs }),
    ...(contextWindowTokens !== undefined && { contextWindowTokens }),
    canContinue: continues !== undefined,
    takesThoughts: true,
    model: async (id) =>
      createChatModel({ provider: name, headers, http, dialect, thoughts, ...addressOf(id) }),
    embeddingModel: async (modelId) =>
      createEmbeddingModel({ provider: name, modelId, url: embeddings, headers, http }),
    async listModels(signal) {
      const window = contextWindowTokens === undefined ? {} : { contextWindowTokens }
      if (models) return models.map((id) => ({ id, ...window }))
      const listed = await fetchModels({ url: `${baseUrl}/models`, headers, http, signal })
      return listed.map((model) => ({ ...model, ...window }))
    },
  }
}
