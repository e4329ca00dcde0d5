import type { LanguageModelV4FinishReason, LanguageModelV4Usage } from '@ai-sdk/provider'

/** As an endpoint sends it: what is no number says nothing. */
export interface ChatUsage {
  prompt_tokens?: unknown
  completion_tokens?: unknown
  prompt_tokens_details?: { cached_tokens?: unknown } | null
  completion_tokens_details?: { reasoning_tokens?: unknown } | null
}

/** The usage of a chat completion; what the endpoint does not say is undefined, never 0. */
export function chatUsage(usage: ChatUsage | null | undefined): LanguageModelV4Usage {
  const input = countIn(usage?.prompt_tokens)
  const output = countIn(usage?.completion_tokens)
  const cached = countIn(usage?.prompt_tokens_details?.cached_tokens)
  const reasoning = countIn(usage?.completion_tokens_details?.reasoning_tokens)
  return {
    inputTokens: {
      total: input,
      noCache: input === undefined ? undefined : input - (cached ?? 0),
      cacheRead: cached,
      cacheWrite: undefined,
    },
    outputTokens: {
      total: output,
      text: output === undefined ? undefined : output - (reasoning ?? 0),
      reasoning,
    },
  }
}

function countIn(given: unknown): number | undefined {
  return Number.isSafeInteger(given) && (given as number) >= 0 ? (given as number) : undefined
}

/** Why a chat completion ended, in the port's words. */
export function finishReason(raw: string): LanguageModelV4FinishReason {
  return { unified: unifiedReasons.get(raw) ?? 'other', raw }
}

const unifiedReasons = new Map<string, LanguageModelV4FinishReason['unified']>([
  ['stop', 'stop'],
  ['length', 'length'],
  ['content_filter', 'content-filter'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['error', 'error'],
])
