import { describe, expect, test } from 'vitest'
import type { Role } from '../../src/interactions/interaction.ts'
import { textOf } from '../../src/messages/content.ts'
import { fitHistory, historyBudget, type Turn, wantsMore } from '../../src/messages/history.ts'

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

describe('a summary in it', () => {
  /** S sums up what was said before it; all others as above. */
  const talk = (newestFirst: string) =>
    turns(newestFirst.replaceAll('S', 'A')).map((turn, index): Turn => {
      const isSummary = newestFirst[index] === 'S'
      return isSummary ? { ...turn, content: [{ type: 'compaction', summary: 'x' }, ...turn.content] } : turn
    })
  const given = (newestFirst: string, budgetTokens: number) =>
    fitHistory(talk(newestFirst), budgetTokens).map(({ role, content }) => `${role[0]}${textOf(content)}`)

  test.each([
    ['stands for all that was said before it', 'HASHAH', 100, ['A4', 'A5', 'H6']],
    ['stays where not all behind it fits', 'HAHS', 25, ['A1', 'H4']],
    ['is the newest one of several', 'HSHASH', 100, ['A5', 'H6']],
  ])('%s', (_, newestFirst, budgetTokens, expected) => {
    expect(given(newestFirst, budgetTokens)).toEqual(expected)
  })

  test('is as far back as is read', () => {
    expect(wantsMore(talk('HA'), 100)).toBe(true)
    expect(wantsMore(talk('HAS'), 100)).toBe(false)
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

describe('the calls of tools in it', () => {
  /** Turns of 10 tokens each, oldest first: H is a Human, A the AI; c calls a tool, r is what that gave back. */
  function talk(letters: string): Turn[] {
    const call = (call_id: string) => ({ type: 'tool_call', call_id, name: 'f', arguments: '{}' }) as const
    const result = (call_id: string) => ({ type: 'tool_result', call_id, output: 'x' }) as const
    const turnsOf: Record<string, Pick<Turn, 'role' | 'content'>> = {
      H: { role: 'Human', content: [{ type: 'text', text: 'H' }] },
      A: { role: 'AI', content: [{ type: 'text', text: 'A' }] },
      c: { role: 'AI', content: [call('1')] },
      r: { role: 'Tool', content: [result('1')] },
      C: { role: 'AI', content: [call('2'), call('3')] },
      s: { role: 'Tool', content: [result('2')] },
      t: { role: 'Tool', content: [result('3')] },
    }
    const talked = letters.split('').flatMap((letter) => turnsOf[letter] ?? [])
    return talked.map((turn) => ({ ...turn, tokens: 10 })).toReversed()
  }
  const all = 'HAcrCst'
  const letterOf = ({ role, content: [part] }: Turn) => {
    if (part?.type === 'tool_call') return part.call_id === '1' ? 'c' : 'C'
    if (part?.type === 'tool_result') return { 1: 'r', 2: 's', 3: 't' }[part.call_id]
    return role[0]
  }
  const fits = (letters: string, tokens: number) => fitHistory(talk(letters), tokens).map(letterOf).join('')

  test.each([
    ['all of it, where it fits', 'HcrAH', 50, 'HcrAH'],
    ['a result is cut off together with its call', 'HcrAH', 30, 'H'],
    ['what would part them is not taken, even where it fits', 'crAHA', 40, 'HA'],
    ['the newest result is there with its call, even where that is too long', 'HAcr', 10, 'cr'],
    ['the call of several results is not cut from the oldest of them', 'HCst', 20, 'Cst'],
    ['a long round of calls begins with a call where no question fits', 'HcrCst', 50, 'crCst'],
    ['a question between a call and its result is no beginning', 'HcHrA', 40, 'cHrA'],
    ['without the call, which was deleted, what fits', 'HArHA', 20, 'HA'],
    ['a call that was deleted cuts off nothing where all fits', 'HArHA', 50, 'HArHA'],
    ['nor where its result is the newest', 'HAr', 30, 'HAr'],
  ])('%s', (_, letters, tokens, expected) => {
    expect(fits(letters, tokens)).toBe(expected)
  })

  test('more is read until the call of the newest result is there, and no further', () => {
    const newest = talk(all)
    expect([1, 2, 3].map((count) => wantsMore(newest.slice(0, count), 5))).toEqual([true, true, false])
    expect(wantsMore(newest, 70)).toBe(true)
    expect(wantsMore(newest, 69)).toBe(false)
    expect(wantsMore([], 0)).toBe(true)
  })

  test('a call that is not there any more is not looked for through the whole conversation', () => {
    const lost = [...talk('r'), ...talk('H'.repeat(150))]
    expect(wantsMore(lost.slice(0, 100), 5)).toBe(true)
    expect(wantsMore(lost, 5)).toBe(false)
  })
})
