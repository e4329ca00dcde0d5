import { describe, expect, test } from 'vitest'
import type { ContentPart } from '../../src/messages/content.ts'
import { estimateTokens } from '../../src/messages/tokens.ts'

const words = 'one two three four five six seven eight nine ten '
const png = `data:image/png;base64,${'A'.repeat(400_000)}`

describe('the tokens of what was said', () => {
  test.each<[string, ContentPart, number, number]>([
    ['a text', { type: 'text', text: words.repeat(10) }, 90, 130],
    ['a picture, whatever its size', { type: 'image', url: png }, 1_000, 2_000],
    ['a picture that is hardly looked at', { type: 'image', url: png, detail: 'low' }, 50, 200],
    ['a picture that came as a file', { type: 'file', url: png }, 1_000, 2_000],
    [
      'a PDF of 300 KB',
      { type: 'file', url: `data:application/pdf;base64,${'A'.repeat(400_000)}` },
      8_000,
      20_000,
    ],
    ['a text file', { type: 'file', url: `data:text/plain;base64,${'A'.repeat(40_000)}` }, 6_000, 9_000],
    ['a huge file', { type: 'file', url: `data:video/mp4;base64,${'A'.repeat(8_000_000)}` }, 90_000, 110_000],
    ['a file on the web', { type: 'file', url: 'https://example.com/a.pdf' }, 5_000, 20_000],
    [
      'a call with its arguments',
      { type: 'tool_call', call_id: 'c', name: 'f', arguments: JSON.stringify({ text: words.repeat(10) }) },
      90,
      180,
    ],
    ['what a tool gave back', { type: 'tool_result', call_id: 'c', output: words.repeat(10) }, 90, 150],
    [
      'what a tool gave back in parts',
      { type: 'tool_result', call_id: 'c', output: [{ type: 'image', url: png }] },
      1_000,
      2_000,
    ],
    ['a refusal', { type: 'refusal', text: words.repeat(10) }, 90, 130],
    ['thoughts that nobody wants back', { type: 'reasoning', text: words.repeat(10) }, 0, 10],
    [
      'thoughts that their provider wants back',
      { type: 'reasoning', text: words.repeat(10), provider: { lab: { signature: 'x'.repeat(400) } } },
      190,
      260,
    ],
  ])('are estimated for %s', (_, part, least, most) => {
    const tokens = estimateTokens([part])
    expect(tokens).toBeGreaterThanOrEqual(least)
    expect(tokens).toBeLessThanOrEqual(most)
  })
})
