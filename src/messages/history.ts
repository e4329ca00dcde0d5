import type { Role } from '../interactions/interaction.ts'
import type { ContentPart } from './content.ts'

/** A message as the model will see it. */
export interface Turn {
  role: Role
  content: ContentPart[]
  /** Estimated. */
  tokens: number
}

export interface Window {
  /** The model's context window. */
  windowTokens: number
  /** Kept free for the answer. */
  answerTokens: number
  /** Taken by the prompt. */
  promptTokens: number
}

/** Estimates are wrong by some percent; this share of the window stays free for that. */
const marginShare = 0.1

/** Tokens that the history may take. */
export function historyBudget({ windowTokens, answerTokens, promptTokens }: Window): number {
  // A small window still has to hold a question, whatever answer was asked for.
  const answer = Math.min(answerTokens, Math.floor(windowTokens / 2))
  return Math.max(0, Math.floor(windowTokens * (1 - marginShare)) - answer - promptTokens)
}

/**
 * The turns that fit `budgetTokens`, oldest first: the newest ones without a gap, of `newestFirst`. The newest
 * turn is always there, even where it alone is too long: then the provider says so. What is left begins with a
 * question, not with half of an exchange.
 */
export function fitHistory(newestFirst: readonly Turn[], budgetTokens: number): Turn[] {
  const fitting: Turn[] = []
  let left = budgetTokens
  for (const turn of newestFirst) {
    left -= turn.tokens
    if (left < 0 && fitting.length > 0) break
    fitting.push(turn)
  }
  const isWhole = fitting.length === newestFirst.length
  const oldestFirst = fitting.toReversed()
  if (isWhole) return oldestFirst
  const firstQuestion = oldestFirst.findIndex(({ role }) => role === 'Human')
  return firstQuestion > 0 ? oldestFirst.slice(firstQuestion) : oldestFirst
}
