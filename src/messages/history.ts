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
  /** Taken by the prompt, and by what else goes with every turn. */
  promptTokens: number
}

/** Estimates are wrong by some percent; this share of the window stays free for that. */
const marginShare = 0.1
/** The turns between a call and its result. Where a call is not found among so many, it was deleted. */
const maxTurnsToCall = 100

/** Tokens that the history may take. */
export function historyBudget({ windowTokens, answerTokens, promptTokens }: Window): number {
  // A small window still has to hold a question, whatever answer was asked for.
  const answer = Math.min(answerTokens, Math.floor(windowTokens / 2))
  return Math.max(0, Math.floor(windowTokens * (1 - marginShare)) - answer - promptTokens)
}

/**
 * The turns that fit `budgetTokens`, oldest first: the newest ones without a gap, of `newestFirst`. The newest
 * turn is always there, even where it alone is too long: then the provider says so. A result of a tool is there
 * only together with its call, because providers refuse one without the other. What is left begins with a
 * question, not with half of an exchange.
 */
export function fitHistory(newestFirst: readonly Turn[], budgetTokens: number): Turn[] {
  const summedUp = newestFirst.findIndex(isSummedUp)
  const summary = newestFirst[summedUp]
  if (!summary) return fitTurns(newestFirst, budgetTokens)
  // What it stands for is not there without it.
  return [summary, ...fitTurns(newestFirst.slice(0, summedUp), budgetTokens - summary.tokens)]
}

function fitTurns(newestFirst: readonly Turn[], budgetTokens: number): Turn[] {
  if (newestFirst.length === 0) return []
  const { count } = findCut(newestFirst, budgetTokens)
  const oldestFirst = newestFirst.slice(0, count).toReversed()
  if (count === newestFirst.length) return oldestFirst
  const whole = cuts(newestFirst.slice(0, count))
  const question = oldestFirst.findIndex(({ role }, index) => role === 'Human' && whole.has(count - index))
  return question > 0 ? oldestFirst.slice(question) : oldestFirst
}

/**
 * Whether what stands before `newestFirst` could still fit, or is needed for the calls of what does. Nothing is where a
 * summary stands for it.
 */
export function wantsMore(newestFirst: readonly Turn[], budgetTokens: number): boolean {
  if (newestFirst.some(isSummedUp)) return false
  return findCut(newestFirst, budgetTokens).wantsMore
}

/** Whether it begins with what stands for all that was said before it. */
function isSummedUp({ content: [first] }: Turn): boolean {
  return first?.type === 'compaction'
}

function findCut(newestFirst: readonly Turn[], budgetTokens: number): { count: number; wantsMore: boolean } {
  const whole = cuts(newestFirst)
  let count = 0
  let left = budgetTokens
  for (const [index, { tokens }] of newestFirst.entries()) {
    left -= tokens
    if (left < 0 && count > 0) return { count, wantsMore: false }
    if (whole.has(index + 1)) count = index + 1
  }
  // All of it fits, or it is whole nowhere: what a result is worth without its call, the prompt decides.
  return {
    count: left >= 0 ? newestFirst.length : count || newestFirst.length,
    wantsMore: left >= 0 || count === 0,
  }
}

/** How many of the newest turns one can take without parting a result from its call. */
function cuts(newestFirst: readonly Turn[]): Set<number> {
  const whole = new Set<number>()
  /** Results without their calls so far, and where they stand. */
  const waiting = new Map<string, number>()
  for (const [index, { content }] of newestFirst.entries()) {
    for (const part of content) {
      if (part.type === 'tool_result') waiting.set(part.call_id, index)
      else if (part.type === 'tool_call') waiting.delete(part.call_id)
    }
    for (const [call, at] of waiting) if (index - at >= maxTurnsToCall) waiting.delete(call)
    if (waiting.size === 0) whole.add(index + 1)
  }
  return whole
}
