import { type CompactionPart, textOf } from '../messages/content.ts'
import type { Turn } from '../messages/history.ts'
import type { Usage } from '../messages/usage.ts'
import { estimateTextTokens } from '../messages/tokens.ts'

/** What a model is asked for a summary. */
const request =
  'Sum up this conversation for whoever goes on with it and has not read it: all facts, names, numbers, decisions, ' +
  'wishes and open questions, what tools said, and what is still to be done. Write nothing but the summary.'

/** A longer question is not kept word for word: it is in the summary. */
const maxQuestionChars = 20_000

export const summaryRequest: Turn = {
  role: 'Human',
  content: [{ type: 'text', text: request }],
  tokens: estimateTextTokens(request),
}

/** Whether there is anything to sum up: a question alone is what is to be answered. */
export function isWorthSummingUp(history: Turn[]): boolean {
  return history.filter(({ role }) => role !== 'System').length > 1
}

/**
 * What stands for `history`: its summary, and word for word what a summary must not lose, the rules of the system and
 * the last question.
 */
export function compactionOf(history: Turn[], summary: string, usage?: Usage | null): CompactionPart {
  const instructions = history.flatMap(rulesIn).join('\n\n')
  const question = questionIn(history)
  return {
    type: 'compaction',
    summary,
    ...(instructions !== '' && { instructions }),
    ...(question !== '' && question.length <= maxQuestionChars && { question }),
    ...(usage && { usage }),
  }
}

/** What an answer is made from once its history was summed up; its question whole, with pictures and files. */
export function compactedTurns(history: Turn[], compaction: CompactionPart, tokens: number): Turn[] {
  const question = history.findLast(({ role }) => role === 'Human')
  const { question: _, ...summary } = compaction
  const turn: Turn = { role: 'AI', content: [question ? summary : compaction], tokens }
  return question ? [turn, question] : [turn]
}

/**
 * What models are shown of summaries, of which they know nothing: the rules as the system's, the rest as the user's.
 * What was said by a user or a tool stays a user's word: it has no more weight because it was summed up.
 */
export function withSummariesSaid(turns: Turn[]): Turn[] {
  return turns.flatMap((turn) => {
    const compaction = turn.content.find((part) => part.type === 'compaction')
    if (!compaction) return [turn]
    const { instructions } = compaction
    const rest = turn.content.filter((part) => part !== compaction)
    return [
      ...(instructions === undefined ? [] : [said('System', instructions)]),
      said('Human', summaryText(compaction)),
      ...(rest.length === 0 ? [] : [{ ...turn, content: rest }]),
    ]
  })
}

function said(role: Turn['role'], text: string): Turn {
  return { role, content: [{ type: 'text', text }], tokens: 0 }
}

function summaryText({ summary, question }: CompactionPart): string {
  const before = `What was said before this, summed up:\n\n${summary}`
  return question === undefined ? before : `${before}\n\nWhat was asked last, word for word:\n\n${question}`
}

function rulesIn({ role, content }: Turn): string[] {
  if (role === 'System') return [textOf(content)]
  return content.flatMap((part) =>
    part.type === 'compaction' && part.instructions ? [part.instructions] : [],
  )
}

/** Behind a summary nobody may have asked anything since. */
function questionIn(history: Turn[]): string {
  for (const { role, content } of history.toReversed()) {
    if (role === 'Human') return textOf(content)
    const before = content.find((part) => part.type === 'compaction')
    if (before) return before.question ?? ''
  }
  return ''
}
