import type { ProviderHttp } from './http.ts'
import { createOpenAICompatible } from './openai-compatible/provider.ts'
import type { Provider, ProviderSource } from './provider.ts'

/**
 * gpt4free's API server. `g4f/gpt-4o` lets it choose an upstream, `g4f/Pollinations:openai` picks one
 * (`POST /api/{provider}/chat/completions`). Its errors come as data of the stream.
 */
export function createG4f(options: {
  url: string
  source: ProviderSource
  preferredModel?: string | undefined
  http: ProviderHttp
}): Provider {
  const { url, source, preferredModel, http } = options
  return createOpenAICompatible({
    name: 'g4f',
    source,
    baseUrl: `${url}/v1`,
    preferredModel,
    http,
    addressOf(id) {
      const [upstream, model] = splitUpstream(id)
      const path = upstream ? `api/${encodeURIComponent(upstream)}` : 'v1'
      return { url: new URL(`${url}/${path}/chat/completions`), modelId: model }
    },
  })
}

/** `Pollinations:openai` names an upstream; `gpt-4o` and `deepseek/r1:free` do not. */
function splitUpstream(id: string): [upstream: string | undefined, model: string] {
  const parts = /^([A-Za-z0-9_]+):(.+)$/.exec(id)
  return parts?.[1] && parts[2] ? [parts[1], parts[2]] : [undefined, id]
}
