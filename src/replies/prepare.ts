import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import type { Interaction } from '../interactions/interaction.ts'
import type { ContentPart } from '../messages/content.ts'
import { fitHistory, historyBudget, type Turn } from '../messages/history.ts'
import type { LoadHistory } from '../messages/load-history.ts'
import { estimateTextTokens, estimateTokens } from '../messages/tokens.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Models, ResolvedModel } from '../providers/registry.ts'
import { compactedTurns, isWorthSummingUp, summaryRequest } from './summing-up.ts'
import { modelCall } from './prompt.ts'
import type { ReplyOptions } from './options.ts'
import type { OpenReply } from './open-store.ts'

/** Kept free for the answer where the interaction sets no limit of its own. */
const usualAnswerTokens = 4_096
/** The share of a window at which a history is summed up where nobody says when. */
const fullShare = 0.8

type Settings = Pick<Interaction, 'prompt' | 'sampling'>

/** What the model is asked now: for the answer, or before that to sum up `history`, which has become too long. */
export type Prepared =
  | { kind: 'answer'; call: LanguageModelV4CallOptions }
  | { kind: 'sum up'; call: LanguageModelV4CallOptions; history: Turn[] }

/** `said` is what the model shall go on with: it takes room, too. */
export type Prepare = (reply: OpenReply, model: ResolvedModel, said: ContentPart[]) => Promise<Prepared>

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
    const { options } = reply
    const usual = (await findSettings(reply.interactionId)) ?? { prompt: null, sampling: {} }
    const settings = settingsFor(usual, options)
    const summary = said.find((part) => part.type === 'compaction')
    const goesOnWith = said.filter((part) => part !== summary)
    const promptTokens =
      tokensOfAll(settings.prompt, options) + (goesOnWith.length === 0 ? 0 : estimateTokens(goesOnWith))
    const knownWindowTokens = models.contextWindowTokens(name)
    const windowTokens = knownWindowTokens ?? contextWindowTokens
    const budgetTokens =
      options.truncation === 'disabled'
        ? Number.POSITIVE_INFINITY
        : historyBudget({
            windowTokens,
            answerTokens: settings.sampling.max_output_tokens ?? usualAnswerTokens,
            promptTokens,
          })

    /** What of `turns`, oldest first, the model is shown; throws where it is to be all, and does not fit. */
    function fitted(turns: Turn[]): Turn[] {
      if (options.truncation === 'disabled') mustFit(turns, promptTokens, knownWindowTokens)
      return fitHistory(turns.toReversed(), budgetTokens)
    }
    const answerTo = (turns: Turn[]): Prepared => ({
      kind: 'answer',
      call: modelCall(settings, fitted(turns), options, provider),
    })

    if (!options.compaction) return answerTo(await loadHistory(reply, budgetTokens))
    const whole = await loadHistory(reply, Number.POSITIVE_INFINITY)
    if (summary) return answerTo(compactedTurns(whole, summary, estimateTokens([summary])))
    const { atTokens = Math.floor(windowTokens * fullShare) } = options.compaction
    const isFull = tokensOf(whole) + promptTokens > atTokens
    if (!isFull || said.length > 0 || !isWorthSummingUp(whole)) return answerTo(whole)
    const turns = fitted([...whole, summaryRequest])
    const asked = { ...options, ...askedForSummary }
    const call = modelCall({ prompt: settings.prompt, sampling: {} }, turns, asked, provider)
    return { kind: 'sum up', call, history: whole }
  }
}

/** A summary is a text, whatever the answer is to be; tools that were called have to be named, or their calls mean nothing. */
const askedForSummary: ReplyOptions = {
  toolChoice: 'none',
  responseFormat: undefined,
  reasoning: undefined,
  parallelToolCalls: undefined,
}

function tokensOf(turns: Turn[]): number {
  return turns.reduce((sum, turn) => sum + turn.tokens, 0)
}

/**
 * Throws where `history` does not fit the window. Of a model that tells none its provider decides; but some leave
 * out what is too much without a word, so that it is not asked where its window is known.
 */
function mustFit(history: Turn[], promptTokens: number, windowTokens: number | undefined): void {
  const tokens = promptTokens + tokensOf(history)
  if (windowTokens === undefined || tokens <= windowTokens) return
  throw new ProviderFailure('context_length_exceeded', `about ${tokens} tokens for ${windowTokens}`)
}
