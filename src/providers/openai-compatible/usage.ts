import type { LanguageModelV4FinishReason, LanguageModelV4Usage } from '@ai-sdk/provider'

export interface ChatUsage {
  prompt_tokens?: number | null
  completion_tokens?: number | null
  prompt_tokens_details?: { cached_tokens?: number | null } | null
  completion_tokens_details?: { reasoning_tokens?: number | null } | null
}

/** The usage of a chat completion; what the endpoint does not say is undefined, never 0. */
export function chatUsage(usage: ChatUsage | null | undefined): LanguageModelV4Usage {
  const input = usage?.prompt_tokens ?? undefined
  const output = usage?.completion_tokens ?? undefined
  const cached = usage?.prompt_tokens_details?.cached_tokens ?? undefined
  const reasoning = usage?.completion_tokens_details?.reasoning_tokens ?? undefined
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
