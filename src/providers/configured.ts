import type { Config } from '../config.ts'
import type { ProviderHttp } from './http.ts'
import { createOpenAICompatible } from './openai-compatible/provider.ts'
import type { Provider } from './provider.ts'
import { createAnthropic, createBedrock, createGoogle, createMistral, createOpenAI } from './vendors.ts'

/** The providers that the configuration names, best first: the operator's own endpoints, then the vendors. */
export function configuredProviders(config: Config, http: ProviderHttp): Provider[] {
  return [...endpoints(config, http), ...vendors(config, http)]
}

function endpoints(config: Config, http: ProviderHttp): Provider[] {
  return Object.entries(config.endpoints ?? {}).map(([name, endpoint]) =>
    createOpenAICompatible({
      name,
      source: 'configured',
      baseUrl: endpoint.base_url.replace(/\/+$/, ''),
      apiKey: endpoint.api_key,
      models: endpoint.models,
      contextWindowTokens: endpoint.context_window_tokens,
      firstTokenTimeoutMs: endpoint.first_token_timeout_ms,
      continues: endpoint.continues,
      tokenLimit: endpoint.token_limit,
      http,
    }),
  )
}

/** To add a vendor: its file, and its lines here. */
function vendors(config: Config, http: ProviderHttp): Provider[] {
  const found: Provider[] = []
  const openai = openaiProvider(config, http)
  if (openai) found.push(openai)
  if (config.anthropicApiKey) {
    found.push(createAnthropic({ apiKey: config.anthropicApiKey, baseUrl: config.anthropicBaseUrl, http }))
  }
  if (config.googleApiKey) {
    found.push(createGoogle({ apiKey: config.googleApiKey, baseUrl: config.googleBaseUrl, http }))
  }
  if (config.mistralApiKey) {
    found.push(createMistral({ apiKey: config.mistralApiKey, baseUrl: config.mistralBaseUrl, http }))
  }
  if (config.openrouterApiKey) {
    found.push(
      createOpenAICompatible({
        name: 'openrouter',
        source: 'environment',
        baseUrl: 'https://openrouter.ai/api/v1',
        apiKey: config.openrouterApiKey,
        preferredModel: 'openrouter/auto',
        http,
      }),
    )
  }
  if (config.bedrockRegion) {
    found.push(
      createBedrock({
        region: config.bedrockRegion,
        baseUrl: config.bedrockBaseUrl,
        bearerToken: config.awsBearerToken,
        accessKeyId: config.awsAccessKeyId,
        secretAccessKey: config.awsSecretAccessKey,
        sessionToken: config.awsSessionToken,
      }),
    )
  }
  return found
}

/** OpenAI itself, or whatever OPENAI_BASE_URL names: a local server needs no key. */
function openaiProvider(config: Config, http: ProviderHttp): Provider | undefined {
  const { openaiApiKey: apiKey, openaiBaseUrl: baseUrl, openaiWire } = config
  if (!apiKey && !baseUrl) return undefined
  const wire = openaiWire === 'auto' ? (baseUrl ? 'chat' : 'responses') : openaiWire
  if (wire === 'responses') return createOpenAI({ apiKey: apiKey ?? '', baseUrl, http })
  return createOpenAICompatible({
    name: 'openai',
    source: 'environment',
    baseUrl: baseUrl ?? 'https://api.openai.com/v1',
    apiKey,
    http,
  })
}
