import type {
  EmbeddingModelV4,
  LanguageModelV4,
  LanguageModelV4CallOptions,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider'
import type { ProviderHttp } from './http.ts'
import { fetchModels } from './model-list.ts'
import type { ListedModel, Provider } from './provider.ts'

/** A vendor's package, with its key: its models by their ids. */
interface Vendor {
  languageModel(id: string): LanguageModelV4
  embeddingModel(id: string): EmbeddingModelV4
}
type Load = () => Promise<Vendor>

interface VendorOptions {
  name: string
  preferredModel: string
  /** Imports the vendor's package: only when a model of it is used for the first time. */
  load: Load
  /** Whether it has models that make vectors of texts. */
  embeds: boolean
  listModels: Provider['listModels']
}

function createVendor({ name, preferredModel, load, embeds, listModels }: VendorOptions): Provider {
  let loading: ReturnType<Load> | undefined
  const loaded = () => (loading ??= load())
  return {
    name,
    source: 'environment',
    preferredModel,
    listModels,
    model: async (id) => (await loaded()).languageModel(id),
    ...(embeds && { embeddingModel: async (id: string) => (await loaded()).embeddingModel(id) }),
  }
}

interface Access {
  apiKey: string
  baseUrl: string | undefined
  http: ProviderHttp
}

/** OpenAI, through its Responses API. Nothing is stored there: Parley keeps the conversation. */
export function createOpenAI({ apiKey, baseUrl = 'https://api.openai.com/v1', http }: Access): Provider {
  return createVendor({
    name: 'openai',
    preferredModel: 'gpt-5-mini',
    load: async () => {
      const vendor = await import('@ai-sdk/openai')
      const { responses, embeddingModel } = vendor.createOpenAI({ apiKey, baseURL: baseUrl })
      return {
        languageModel: (id) => withOptions(responses(id), 'openai', { store: false }),
        embeddingModel,
      }
    },
    embeds: true,
    listModels: (signal) =>
      fetchModels({ url: `${baseUrl}/models`, headers: { authorization: `Bearer ${apiKey}` }, http, signal }),
  })
}

/** Anthropic, through its Messages API. */
export function createAnthropic({
  apiKey,
  baseUrl = 'https://api.anthropic.com/v1',
  http,
}: Access): Provider {
  return createVendor({
    name: 'anthropic',
    preferredModel: 'claude-sonnet-5-5',
    load: async () => {
      const vendor = await import('@ai-sdk/anthropic')
      return vendor.createAnthropic({ apiKey, baseURL: baseUrl })
    },
    embeds: false,
    listModels: (signal) =>
      fetchModels({
        url: `${baseUrl}/models?limit=1000`,
        headers: { 'x-api-key': apiKey, 'anthropic-version': '2023-06-01' },
        http,
        signal,
      }),
  })
}

/** Google Gemini, through its own endpoint for OpenAI's list of models. */
export function createGoogle(access: Access): Provider {
  const { apiKey, baseUrl = 'https://generativelanguage.googleapis.com/v1beta', http } = access
  return createVendor({
    name: 'google',
    preferredModel: 'gemini-3.8-flash',
    load: async () => {
      const vendor = await import('@ai-sdk/google')
      return vendor.createGoogle({ apiKey, baseURL: baseUrl })
    },
    embeds: true,
    listModels: async (signal) => {
      const headers = { authorization: `Bearer ${apiKey}` }
      const models = await fetchModels({ url: `${baseUrl}/openai/models`, headers, http, signal })
      return models.map((model) => ({ ...model, id: model.id.replace(/^models\//, '') }))
    },
  })
}

/** Mistral, through its chat completions. */
export function createMistral({ apiKey, baseUrl = 'https://api.mistral.ai/v1', http }: Access): Provider {
  return createVendor({
    name: 'mistral',
    preferredModel: 'mistral-medium-latest',
    load: async () => {
      const vendor = await import('@ai-sdk/mistral')
      return vendor.createMistral({ apiKey, baseURL: baseUrl })
    },
    embeds: true,
    listModels: (signal) =>
      fetchModels({ url: `${baseUrl}/models`, headers: { authorization: `Bearer ${apiKey}` }, http, signal }),
  })
}

/** Amazon Bedrock, through its Converse API. Its list of models has another address and needs other rights. */
export function createBedrock(options: {
  region: string
  baseUrl: string | undefined
  bearerToken: string | undefined
  accessKeyId: string | undefined
  secretAccessKey: string | undefined
  sessionToken: string | undefined
}): Provider {
  const { region, baseUrl, bearerToken, accessKeyId, secretAccessKey, sessionToken } = options
  const preferredModel = 'anthropic.claude-sonnet-5-5'
  return createVendor({
    name: 'bedrock',
    preferredModel,
    load: async () => {
      const vendor = await import('@ai-sdk/amazon-bedrock')
      return vendor.createAmazonBedrock({
        region,
        ...(baseUrl && { baseURL: baseUrl }),
        ...(bearerToken && { apiKey: bearerToken }),
        ...(accessKeyId && { accessKeyId }),
        ...(secretAccessKey && { secretAccessKey }),
        ...(sessionToken && { sessionToken }),
      })
    },
    embeds: true,
    listModels: async (): Promise<ListedModel[]> => [{ id: preferredModel }],
  })
}

/** The model with `fixed` options of its `vendor` that every call gets, beside those of the call itself. */
function withOptions(
  model: LanguageModelV4,
  vendor: string,
  fixed: SharedV4ProviderOptions[string],
): LanguageModelV4 {
  const fixedIn = (options: LanguageModelV4CallOptions): LanguageModelV4CallOptions => {
    const { providerOptions = {} } = options
    return {
      ...options,
      providerOptions: { ...providerOptions, [vendor]: { ...providerOptions[vendor], ...fixed } },
    }
  }
  return {
    specificationVersion: 'v4',
    provider: model.provider,
    modelId: model.modelId,
    supportedUrls: model.supportedUrls,
    doStream: (options) => model.doStream(fixedIn(options)),
    doGenerate: (options) => model.doGenerate(fixedIn(options)),
  }
}
