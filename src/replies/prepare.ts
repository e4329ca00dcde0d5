import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import type { Interaction } from '../interactions/interaction.ts'
import type { ContentPart } from '../messages/content.ts'
import { historyBudget, type Turn } from '../messages/history.ts'
import type { LoadHistory } from '../messages/load-history.ts'
import { estimateTextTokens, estimateTokens } from '../messages/tokens.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Models, ResolvedModel } from '../providers/registry.ts'
import { modelCall } from './prompt.ts'
import type { ReplyOptions } from './options.ts'
import type { OpenReply } from './open-store.ts'

/** Kept free for the answer where the interaction sets no limit of its own. */
const usualAnswerTokens = 4_096

type Settings = Pick<Interaction, 'prompt' | 'sampling'>

/** `said` is what the model shall go on with: it takes room, too. */
export type Prepare = (
  reply: OpenReply,
  model: ResolvedModel,
  said: ContentPart[],
) => Promise<LanguageModelV4CallOptions>

/** Those of the interaction, but for what was asked of this reply. */
function settingsFor(usual: Settings, { prompt = usual.prompt, sampling = {} }: ReplyOptions): Settings {
  return { prompt, sampling: { ...usual.sampling, ...sampling } }
}

/** What is there at every turn takes its place from the history. */
function tokensOfAll(prompt: string | null, { tools, responseFormat }: ReplyOptions): number {
  const schemas = [tools, responseFormat].filter((given) => given !== undefined)
  const schemaTokens = schemas.length === 0 ? 0 : estimateTextTokens(JSON.stringify(schemas))
  return schemaTokens + (prompt === null ? 0 : estimateTextTokens(prompt))
}

/** Makes what a model is asked: the settings as they are now, and the history that fits its window. */
export function createPrepare(parts: {
  findSettings: (interactionId: string) => Promise<Settings | undefined>
  loadHistory: LoadHistory
  models: Pick<Models, 'contextWindowTokens'>
  /** Of models that tell none. */
  contextWindowTokens: number
}): Prepare {
  const { findSettings, loadHistory, models, contextWindowTokens } = parts
  return async (reply, { name, provider }, said) => {
    const usual = (await findSettings(reply.interactionId)) ?? { prompt: null, sampling: {} }
    const settings = settingsFor(usual, reply.options)
    const promptTokens =
      tokensOfAll(settings.prompt, reply.options) + (said.length === 0 ? 0 : estimateTokens(said))
    const load = (budgetTokens: number) => loadHistory(reply, budgetTokens)
    if (reply.options.truncation === 'disabled') {
      const whole = await load(Number.POSITIVE_INFINITY)
      mustFit(whole, promptTokens, models.contextWindowTokens(name))
      return modelCall(settings, whole, reply.options, provider)
    }
    const budget = historyBudget({
      windowTokens: models.contextWindowTokens(name) ?? contextWindowTokens,
      answerTokens: settings.sampling.max_output_tokens ?? usualAnswerTokens,
      promptTokens,
    })
    return modelCall(settings, await load(budget), reply.options, provider)
  }
}

/**
 * Throws where `history` does not fit the window. Of a model that tells none its provider decides; but some leave
 * out what is too much without a word, so that it is not asked where its window is known.
 */
function mustFit(history: Turn[], promptTokens: number, windowTokens: number | undefined): void {
  const tokens = history.reduce((sum, turn) => sum + turn.tokens, promptTokens)
  if (windowTokens === undefined || tokens <= windowTokens) return
  throw new ProviderFailure('context_length_exceeded', `about ${tokens} tokens for ${windowTokens}`)
}
