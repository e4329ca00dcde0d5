import type { ProviderHttp } from './http.ts'
import { createOpenAICompatible } from './openai-compatible/provider.ts'
import type { Provider, ProviderSource } from './provider.ts'

/** A model that is not in memory yet is loaded before its first token. */
const loadingTimeoutMs = 180_000

/** Ollama, through its OpenAI-compatible endpoint. */
export function createOllama(options: {
  url: string
  source: ProviderSource
  preferredModel?: string | undefined
  http: ProviderHttp
}): Provider {
  const { url, source, preferredModel, http } = options
  return createOpenAICompatible({
    name: 'ollama',
    source,
    baseUrl: `${url}/v1`,
    preferredModel,
    firstTokenTimeoutMs: loadingTimeoutMs,
    http,
  })
}
