import type { LanguageModelV4 } from '@ai-sdk/provider'
import { ParleyError, StartupError } from '../errors.ts'
import type { Provider, ProviderSource } from './provider.ts'

const listingTimeoutMs = 2_000
const listingKeptMs = 60_000

/** A model that was named, and who serves it. */
export interface ResolvedModel {
  provider: Provider
  /** The provider's own name for it. */
  id: string
  /** `provider/id`: what replies and lists call it. */
  name: string
}

/** A model as `GET /v1/models` shows it. */
export interface OfferedModel {
  name: string
  provider: string
  source: ProviderSource
  contextWindowTokens: number | undefined
  isDefault: boolean
}

export interface Models {
  /** The full name of the model of interactions that name none. */
  readonly defaultModel: string
  /**
   * Finds who serves `name`: `provider/model`, or a bare `model` that a provider is known to offer, else the
   * default provider's. Throws a ParleyError `unknown_model` where nobody can.
   */
  resolve(name: string): ResolvedModel
  /** Each of a list in its order, once; the error names the field of the one that nobody serves. */
  resolveAll(names: string | string[]): ResolvedModel[]
  /** The model's context window in tokens, where its provider told. */
  contextWindowTokens(name: string): number | undefined
  load(model: ResolvedModel): Promise<LanguageModelV4>
  /** What every provider offers. One that does not answer in time is shown with what it offered last. */
  list(): Promise<OfferedModel[]>
}

/** Nobody serves it, or is known to offer it. */
export function unknownModel(name: string, field = 'model'): ParleyError {
  return new ParleyError('unknown_model', `No provider offers the model "${name}"; see GET /v1/models.`, {
    fields: [{ in: 'body', field, message: `no provider offers "${name}"` }],
  })
}

/**
 * The models of `providers`, which stand in order of preference. `defaultModel` is a full name, or a bare one
 * that the first provider of the operator's is taken to serve. Throws a StartupError where nobody could.
 */
export function createModels(options: { providers: Provider[]; defaultModel: string }): Models {
  const { providers } = options
  const catalogs = new Map<Provider, { listedAt: number; models: OfferedModel[] }>()
  const firstReal = providers.find(({ source }) => source !== 'builtin')
  const standard = named(options.defaultModel) ?? servedBy(firstReal, options.defaultModel)
  if (!standard) {
    throw new StartupError(
      `DEFAULT_MODEL is "${options.defaultModel}", but no provider is configured that could serve it: ` +
        `name it as provider/model (known: ${providers.map(({ name }) => name).join(', ')}).`,
    )
  }
  const defaultModel = standard.name
  /** Serves the bare names that nobody is known to offer. */
  const catchAll = standard.provider.source === 'builtin' ? firstReal : standard.provider

  function named(name: string): ResolvedModel | undefined {
    const slash = name.indexOf('/')
    const provider = providers.find((candidate) => candidate.name === name.slice(0, slash))
    const id = name.slice(slash + 1)
    return provider && id !== '' ? { provider, id, name } : undefined
  }

  function offered(id: string): ResolvedModel | undefined {
    for (const provider of providers) {
      const name = `${provider.name}/${id}`
      if (catalogs.get(provider)?.models.some((model) => model.name === name)) return { provider, id, name }
    }
    return undefined
  }

  function servedBy(provider: Provider | undefined, id: string): ResolvedModel | undefined {
    return provider && { provider, id, name: `${provider.name}/${id}` }
  }

  function resolve(name: string): ResolvedModel {
    const model = served(name)
    if (model) return model
    throw unknownModel(name)
  }

  function resolveAll(names: string | string[]): ResolvedModel[] {
    if (typeof names === 'string') return [resolve(names)]
    const found = names.map((name, index) => {
      const model = served(name)
      if (model) return model
      throw unknownModel(name, `model.${index}`)
    })
    return [...new Map(found.map((model) => [model.name, model])).values()]
  }

  function served(name: string): ResolvedModel | undefined {
    return named(name) ?? offered(name) ?? servedBy(catchAll, name)
  }

  async function list() {
    const models = await Promise.all(providers.map((provider) => catalogOf(provider)))
    return models.flat()
  }

  async function catalogOf(provider: Provider): Promise<OfferedModel[]> {
    const known = catalogs.get(provider)
    if (known && Date.now() - known.listedAt < listingKeptMs) return known.models
    const models = await askForModels(provider).catch(() => known?.models ?? preferredOf(provider))
    catalogs.set(provider, { listedAt: Date.now(), models })
    return models
  }

  async function askForModels(provider: Provider) {
    const listed = await provider.listModels(AbortSignal.timeout(listingTimeoutMs))
    return listed.map(({ id, contextWindowTokens }) => offer(provider, id, contextWindowTokens))
  }

  function preferredOf(provider: Provider) {
    return provider.preferredModel ? [offer(provider, provider.preferredModel, undefined)] : []
  }

  function offer(provider: Provider, id: string, contextWindowTokens: number | undefined): OfferedModel {
    const name = `${provider.name}/${id}`
    return {
      name,
      provider: provider.name,
      source: provider.source,
      contextWindowTokens,
      isDefault: name === defaultModel,
    }
  }

  return {
    defaultModel,
    resolve,
    resolveAll,
    list,
    load: ({ provider, id }) => provider.model(id),
    contextWindowTokens(name) {
      for (const { models } of catalogs.values()) {
        const model = models.find((candidate) => candidate.name === name)
        if (model?.contextWindowTokens !== undefined) return model.contextWindowTokens
      }
      return named(name)?.provider.contextWindowTokens
    },
  }
}
