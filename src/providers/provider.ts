import type { EmbeddingModelV4, LanguageModelV4 } from '@ai-sdk/provider'

/** How the server came to know a provider. */
export type ProviderSource = 'configured' | 'environment' | 'detected' | 'builtin'

/** A model as its provider lists it, under the provider's own id. */
export interface ListedModel {
  id: string
  contextWindowTokens?: number
}

/**
 * The seam to whatever answers. A model is the ecosystem's own port, `LanguageModelV4` of `@ai-sdk/provider`;
 * its `doStream` is called directly. Failures come as `ProviderFailure` or as the AI SDK's errors, which
 * `explainFailure` reads.
 */
export interface Provider {
  /** The first part of its models' names: `name/model`. */
  readonly name: string
  readonly source: ProviderSource
  /** The model to use where this provider is the default and no model is named. */
  readonly preferredModel: string | undefined
  /** Where it needs more than the server's own limit, for example to load a model from disk. */
  readonly firstTokenTimeoutMs?: number
  /** The context window of its models that tell none of their own. */
  readonly contextWindowTokens?: number
  /** Its models go on with an answer whose beginning is the last message of the call (`continuation.ts`). */
  readonly canContinue?: boolean
  /** Takes thoughts that nobody signed with what was said, and decides itself which of its models are told them. */
  readonly takesThoughts?: boolean
  /** The model under the provider's own id. Loads the vendor's package on first use. */
  model(id: string): Promise<LanguageModelV4>
  /** The same for one that makes vectors of texts; undefined where the provider has none. */
  embeddingModel?(id: string): Promise<EmbeddingModelV4>
  /** What the provider offers; [] where it cannot tell. Rejects when it does not answer before `signal`. */
  listModels(signal: AbortSignal): Promise<ListedModel[]>
}
