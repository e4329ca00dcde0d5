import { describe, expect, test } from 'vitest'
import type { Role } from '../../src/interactions/interaction.ts'
import { textOf } from '../../src/messages/content.ts'
import { fitHistory, historyBudget, type Turn } from '../../src/messages/history.ts'

/** Turns of 10 tokens each, newest first, as they are read: H is a Human, A the AI, S the System. */
function turns(newestFirst: string): Turn[] {
  const roles: Record<string, Role> = { H: 'Human', A: 'AI', S: 'System' }
  return newestFirst.split('').map((letter, index) => ({
    role: roles[letter] ?? 'Tool',
    content: [{ type: 'text', text: `${newestFirst.length - index}` }],
    tokens: 10,
  }))
}

function fitted(newestFirst: string, budgetTokens: number): string {
  return fitHistory(turns(newestFirst), budgetTokens)
    .map(({ role, content }) => `${role[0]}${textOf(content)}`)
    .join(' ')
}

describe('the history that a model gets', () => {
  test.each([
    ['all of it, oldest first, where it fits', 'HAHAH', 50, 'H1 A2 H3 A4 H5'],
    ['no token more than fits', 'HAHAH', 49, 'H3 A4 H5'],
    ['it begins with a question, not with half of an exchange', 'HAHAH', 40, 'H3 A4 H5'],
    ['the newest turn, where only that fits', 'HAHAH', 10, 'H5'],
    ['the newest turn, even where that is too long: the provider says so', 'HAHAH', 3, 'H5'],
    ['an opening that is no question stays, where all fits', 'HA', 20, 'A1 H2'],
    ['without any question, what fits', 'AAA', 20, 'A2 A3'],
    ['of nothing, nothing', '', 100, ''],
  ])('%s', (_, newestFirst, budgetTokens, expected) => {
    expect(fitted(newestFirst, budgetTokens)).toBe(expected)
  })

  test('there is no gap: a long turn ends it, though older ones would fit', () => {
    const [newest, long, old] = turns('HAH')
    expect(fitHistory([newest, { ...long, tokens: 1_000 }, old] as Turn[], 100)).toEqual([newest])
  })
})

describe('the room for it', () => {
  test.each([
    ['the window, but for the answer, the prompt and a tenth', 1_000, 300, 100, 500],
    ['an answer may take at most half of the window', 1_000, 4_096, 0, 400],
    ['a prompt that fills the window leaves none', 1_000, 100, 5_000, 0],
  ])('%s', (_, windowTokens, answerTokens, promptTokens, expected) => {
    expect(historyBudget({ windowTokens, answerTokens, promptTokens })).toBe(expected)
  })
})
