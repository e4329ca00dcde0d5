import { z } from 'zod'
import { choice, choices, json, type Setting, text, url, whole } from './settings.ts'

/** An OpenAI-compatible endpoint that the operator named. */
const endpointSchema = z.strictObject({
  base_url: z.url({ protocol: /^https?$/ }),
  api_key: z.string().min(1).optional(),
  models: z.array(z.string().min(1)).max(500).optional(),
  context_window_tokens: z.int().min(256).optional(),
  first_token_timeout_ms: z.int().min(1).optional(),
  continues: z.enum(['prefill', 'vllm']).optional(),
  token_limit: z.enum(['max_tokens', 'max_completion_tokens']).optional(),
})

const limitsSchema = z.strictObject({
  max_running: z.int().min(1).max(100_000).optional(),
  requests_per_minute: z.int().min(1).max(1_000_000).optional(),
})

/** Which models there are, their keys, and how much they are asked. */
export const modelSettings = {
  defaultModel: text('DEFAULT_MODEL', {
    about: 'Model of interactions that name none, as provider/model. Unset: the best that is found at start.',
  }),
  openaiApiKey: text('OPENAI_API_KEY', { secret: true, about: 'Key for OpenAI, or for OPENAI_BASE_URL.' }),
  openaiBaseUrl: url('OPENAI_BASE_URL', {
    about: 'Any OpenAI-compatible endpoint instead of OpenAI, for example http://127.0.0.1:8080/v1.',
  }),
  openaiWire: choice('OPENAI_WIRE', ['auto', 'responses', 'chat'], {
    default: 'auto',
    about: 'Which of its APIs is spoken: auto is responses with OpenAI itself, chat with OPENAI_BASE_URL.',
  }),
  anthropicApiKey: text('ANTHROPIC_API_KEY', { secret: true, about: 'Key for Anthropic.' }),
  anthropicBaseUrl: url('ANTHROPIC_BASE_URL', { about: 'Another address for Anthropic, with its version.' }),
  googleApiKey: text('GOOGLE_GENERATIVE_AI_API_KEY', { secret: true, about: 'Key for Google Gemini.' }),
  googleBaseUrl: url('GOOGLE_BASE_URL', { about: 'Another address for Google Gemini, with its version.' }),
  mistralApiKey: text('MISTRAL_API_KEY', { secret: true, about: 'Key for Mistral.' }),
  mistralBaseUrl: url('MISTRAL_BASE_URL', { about: 'Another address for Mistral, with its version.' }),
  openrouterApiKey: text('OPENROUTER_API_KEY', { secret: true, about: 'Key for OpenRouter.' }),
  bedrockRegion: text('BEDROCK_REGION', { about: 'Region of Amazon Bedrock; turns it on.' }),
  bedrockBaseUrl: url('BEDROCK_BASE_URL', { about: 'Another address for Amazon Bedrock.' }),
  awsBearerToken: text('AWS_BEARER_TOKEN_BEDROCK', {
    secret: true,
    about: 'Bearer token for Amazon Bedrock; or the three AWS_* variables below.',
  }),
  awsAccessKeyId: text('AWS_ACCESS_KEY_ID', { secret: true, about: 'Access key for Amazon Bedrock.' }),
  awsSecretAccessKey: text('AWS_SECRET_ACCESS_KEY', { secret: true, about: 'Its secret.' }),
  awsSessionToken: text('AWS_SESSION_TOKEN', { secret: true, about: 'Its session token, if it has one.' }),
  endpoints: json('PROVIDERS', z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/), endpointSchema), {
    secret: true,
    example: '{"lab":{"base_url":"http://10.0.0.5:8000/v1","api_key":"…","models":["qwen3"]}}',
    about:
      'More OpenAI-compatible endpoints, by a name of yours; their models are then lab/<model>. One that refuses max_tokens has "token_limit": "max_completion_tokens"; OpenAI and Azure are known.',
  }),
  continuingProviders: choices('CONTINUING_PROVIDERS', ['anthropic', 'mistral', 'ollama', 'openrouter'], {
    about:
      'Providers whose models go on with an answer that they get the beginning of, for on_crash=continue: of anthropic, mistral, ollama, openrouter. Not all of their models do. PROVIDERS have "continues": "prefill", or "vllm".',
  }),
  providerLimits: json('PROVIDER_LIMITS', z.record(z.string(), limitsSchema), {
    example: '{"openai":{"requests_per_minute":500,"max_running":64}}',
    about:
      'How often providers may be asked in any minute, and how many answers they make at the same time, by all nodes together. What is over waits.',
  }),
  circuitFailures: whole('CIRCUIT_FAILURES', {
    default: 5,
    min: 1,
    max: 1_000_000,
    about: 'After so many failures in a row a node leaves a provider alone for a while.',
  }),
  circuitPauseMs: whole('CIRCUIT_PAUSE_MS', {
    default: 5_000,
    min: 10,
    max: 60_000,
    about:
      'How long, until one answer tries it again; doubles with each try that fails, up to a minute. Answers that have another model go there, the others wait.',
  }),
  maxProviderWaitMs: whole('MAX_PROVIDER_WAIT_MS', {
    default: 600_000,
    min: 0,
    max: 86_400_000,
    about: 'How long an answer waits for such a provider before it fails.',
  }),
  detect: choice('DETECT', ['on', 'off'], {
    default: 'on',
    about: 'on: look for Ollama and g4f on this machine at start.',
  }),
  ollamaUrl: url('OLLAMA_URL', { default: 'http://127.0.0.1:11434', about: 'Where to look for Ollama.' }),
  g4fUrl: url('G4F_URL', { default: 'http://127.0.0.1:1337', about: "Where to look for g4f's API." }),
  elizaTokenMs: whole('ELIZA_TOKEN_MS', {
    default: 20,
    min: 0,
    max: 10_000,
    about: 'Pause between two words of builtin/eliza, in milliseconds.',
  }),
} satisfies Record<string, Setting<unknown>>

/** What is wrong where Bedrock is on and nothing opens it. */
export function keylessBedrock(
  config: Record<
    'bedrockRegion' | 'awsBearerToken' | 'awsAccessKeyId' | 'awsSecretAccessKey',
    string | undefined
  >,
): string | undefined {
  const hasKey = config.awsBearerToken || (config.awsAccessKeyId && config.awsSecretAccessKey)
  if (!config.bedrockRegion || hasKey) return undefined
  return (
    'BEDROCK_REGION turns Amazon Bedrock on, and there is no key for it: ' +
    'set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.'
  )
}

type ProviderLimits = Record<string, z.infer<typeof limitsSchema>> | undefined

/** How many answers those providers make at the same time that have a limit of their own. */
export function maxRunningOf(config: { providerLimits: ProviderLimits }): Map<string, number> {
  return limitsOf(config, 'max_running')
}

/** How often those providers may be asked that have a limit for it. */
export function requestsPerMinuteOf(config: { providerLimits: ProviderLimits }): Map<string, number> {
  return limitsOf(config, 'requests_per_minute')
}

/** As a map: an object has names of its own, such as `constructor`, and providers may have them, too. */
function limitsOf(
  { providerLimits }: { providerLimits: ProviderLimits },
  which: keyof z.infer<typeof limitsSchema>,
): Map<string, number> {
  return new Map(
    Object.entries(providerLimits ?? {}).flatMap(([name, limits]): Array<[string, number]> => {
      const max = limits[which]
      return max === undefined ? [] : [[name, max]]
    }),
  )
}
