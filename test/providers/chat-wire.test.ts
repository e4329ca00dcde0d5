import type { LanguageModelV4Prompt, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { describe, expect, test } from 'vitest'
import { type Chunk, createChunkReader } from '../../src/providers/openai-compatible/chunks.ts'
import { chatCompletionBody } from '../../src/providers/openai-compatible/request.ts'
import { usualTokenLimit } from '../../src/providers/openai-compatible/token-limit.ts'
import { type ChatUsage, chatUsage } from '../../src/providers/openai-compatible/usage.ts'

describe('a request for a chat completion', () => {
  const messagesOf = (prompt: LanguageModelV4Prompt) => chatCompletionBody('m', { prompt })['messages']
  const text = (said: string) => ({ type: 'text' as const, text: said })

  test.each<[string, LanguageModelV4Prompt[number], object[]]>([
    ['the system', { role: 'system', content: 'Be kind' }, [{ role: 'system', content: 'Be kind' }]],
    ['a user', { role: 'user', content: [text('Hi')] }, [{ role: 'user', content: 'Hi' }]],
    [
      'a user in parts',
      { role: 'user', content: [text('See'), text('this')] },
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'See' },
            { type: 'text', text: 'this' },
          ],
        },
      ],
    ],
    [
      'a user with a picture',
      {
        role: 'user',
        content: [
          { type: 'file', mediaType: 'image/png', data: { type: 'data', data: new Uint8Array([1, 2]) } },
        ],
      },
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AQI=' } }] }],
    ],
    [
      'the assistant, without its thoughts',
      { role: 'assistant', content: [{ type: 'reasoning', text: 'hm' }, text('Hel'), text('lo')] },
      [{ role: 'assistant', content: 'Hello' }],
    ],
    [
      'the assistant that calls a tool',
      {
        role: 'assistant',
        content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'add', input: { a: 1 } }],
      },
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }],
        },
      ],
    ],
    [
      'a tool',
      {
        role: 'tool',
        content: [
          { type: 'tool-result', toolCallId: 'c1', toolName: 'add', output: { type: 'json', value: 2 } },
        ],
      },
      [{ role: 'tool', tool_call_id: 'c1', content: '2' }],
    ],
  ])('says what was said by %s', (_, message, expected) => {
    expect(messagesOf([message])).toEqual(expected)
  })

  test('asks for a stream with its usage, and for nothing that was not set', () => {
    expect(chatCompletionBody('m', { prompt: [] })).toEqual({
      model: 'm',
      messages: [],
      stream: true,
      stream_options: { include_usage: true },
    })
  })
})

test.each([
  ['https://api.openai.com/v1', 'max_completion_tokens'],
  ['https://eu.api.openai.com/v1', 'max_completion_tokens'],
  ['https://mine.openai.azure.com/openai/v1', 'max_completion_tokens'],
  ['https://api.openai.com.example.org/v1', 'max_tokens'],
  ['https://openrouter.ai/api/v1', 'max_tokens'],
  ['http://127.0.0.1:8080/v1', 'max_tokens'],
])('the limit of an answer is called there what is known there: %s', (baseUrl, name) => {
  expect(usualTokenLimit(baseUrl)).toBe(name)
})

describe('the chunks of a chat completion', () => {
  function partsOf(...deltas: object[]): LanguageModelV4StreamPart[] {
    const parts: LanguageModelV4StreamPart[] = []
    const reader = createChunkReader((part) => parts.push(part))
    for (const delta of deltas) {
      const choice = 'finish' in delta ? { delta: {}, finish_reason: delta.finish } : { delta }
      reader.take({ choices: [choice] } as Chunk)
    }
    reader.end({ sawDone: true })
    return parts
  }

  test('become thoughts and words, each begun and ended', () => {
    const parts = partsOf({ reasoning: 'hm' }, { content: 'Hel' }, { content: 'lo' }, { finish: 'stop' })
    expect(parts.map(({ type }) => type)).toEqual([
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'text-start',
      'text-delta',
      'text-delta',
      'text-end',
      'finish',
    ])
  })

  test('gather the calls of tools that come in pieces, each by its index', () => {
    const parts = partsOf(
      { tool_calls: [{ index: 0, id: 'a', function: { name: 'add', arguments: '{"x"' } }] },
      { tool_calls: [{ index: 1, id: 'b', function: { name: 'now' } }] },
      { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] },
      { finish: 'tool_calls' },
    )
    expect(parts.filter(({ type }) => type === 'tool-call')).toMatchObject([
      { toolCallId: 'a', toolName: 'add', input: '{"x":1}' },
      { toolCallId: 'b', toolName: 'now', input: '{}' },
    ])
    expect(parts.at(-1)).toMatchObject({ finishReason: { unified: 'tool-calls' } })
  })

  test('name a tool late, or send its arguments whole, and are told all the same', () => {
    const parts = partsOf(
      { tool_calls: [{ index: 0, id: 'a', function: { arguments: '{"x"' } }] },
      { tool_calls: [{ index: 0, function: { name: 'add', arguments: ':1}' } }] },
      { tool_calls: [{ index: 1, id: 'b', function: { name: 'now', arguments: { zone: 'CET' } } }] },
      { finish: 'tool_calls' },
    )
    expect(parts.slice(0, 4)).toEqual([
      { type: 'tool-input-start', id: 'a', toolName: 'add' },
      { type: 'tool-input-delta', id: 'a', delta: '{"x":1}' },
      { type: 'tool-input-start', id: 'b', toolName: 'now' },
      { type: 'tool-input-delta', id: 'b', delta: '{"zone":"CET"}' },
    ])
  })

  const piece = (args: string, more: object = {}) => ({ ...more, function: { arguments: args } })
  const named = (name: string, args: string, more: object = {}) => ({
    ...more,
    function: { name, arguments: args },
  })
  const [add, now] = [named('add', '{"x":1}'), named('now', '{}')]

  test.each<[string, object[][], string[]]>([
    [
      'by its id, at one index',
      [[{ ...add, index: 0, id: 'a' }], [{ ...now, index: 0, id: 'b' }]],
      ['a', 'b'],
    ],
    ['by its id, without an index', [[{ ...add, id: 'a' }], [{ ...now, id: 'b' }]], ['a', 'b']],
    [
      'in one chunk, without an index',
      [
        [
          { ...add, id: 'a' },
          { ...now, id: 'b' },
        ],
      ],
      ['a', 'b'],
    ],
    ['by its name, at one index', [[{ ...add, index: 0 }], [{ ...now, index: 0 }]], ['', '']],
    ['by its name alone', [[{ ...add, index: null }], [now]], ['', '']],
    ['that both have one id', [[{ ...add, index: 0, id: 'a' }], [{ ...now, index: 1, id: 'a' }]], ['a', '']],
    [
      'that are all the same by index and id',
      [[{ ...add, index: 0, id: 'a' }], [{ ...now, index: 0, id: 'a' }]],
      ['a', ''],
    ],
    [
      'in pieces without an index',
      [
        [named('add', '{"x"', { id: 'a' })],
        [piece(':1')],
        [piece('}')],
        [named('now', '{', { id: 'b' })],
        [piece('}')],
      ],
      ['a', 'b'],
    ],
    [
      'in pieces, each with its id and name',
      [...['{"x"', ':1', '}', ''].map((args) => [named('add', args, { id: 'a' })]), [{ ...now, id: 'b' }]],
      ['a', 'b'],
    ],
    [
      'in pieces, each with another id',
      [
        [named('add', '{"x"', { index: 0, id: 'a' })],
        [piece(':1}', { index: 0, id: 'z' })],
        [{ ...now, index: 1, id: 'b' }],
      ],
      ['a', 'b'],
    ],
    [
      'that is told once more as a whole',
      [
        [named('add', '{"x"', { index: 0, id: 'a' })],
        [piece(':1}', { index: 0 })],
        [{ ...add, index: 0, id: 'a' }],
        [{ ...now, index: 1, id: 'b' }],
      ],
      ['a', 'b'],
    ],
  ])('tell one call from the next: %s', (_, chunks, ids) => {
    const parts = partsOf(...chunks.map((calls) => ({ tool_calls: calls })), { finish: 'tool_calls' })
    const fresh = expect.stringMatching(/^call_[0-9a-f]{32}$/)
    const [first, second] = ids.map((id) => id || fresh)
    const calls = parts.filter(({ type }) => type === 'tool-call')
    expect(calls).toMatchObject([
      { toolCallId: first, toolName: 'add', input: '{"x":1}' },
      { toolCallId: second, toolName: 'now', input: '{}' },
    ])
    const told = (id: string) =>
      parts.map((part) => (part.type === 'tool-input-delta' && part.id === id ? part.delta : ''))
    for (const call of calls)
      if (call.type === 'tool-call') expect(told(call.toolCallId).join('')).toBe(call.input)
    expect(new Set(calls.map((call) => call.type === 'tool-call' && call.toolCallId)).size).toBe(2)
  })

  test.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content-filter'],
    ['function_call', 'tool-calls'],
    ['something_new', 'other'],
  ])('end for the reason %s', (raw, unified) => {
    expect(partsOf({ content: 'x' }, { finish: raw }).at(-1)).toMatchObject({
      finishReason: { unified, raw },
    })
  })

  test('say nothing with what is of another kind: a call gets an id of ours, and must have a name', () => {
    const call = { index: 0, id: 5, function: { name: 7, arguments: '{' } }
    expect(() => partsOf({ tool_calls: [call] })).toThrow('without a name')
    const rest = { index: 0, function: { name: 'add', arguments: '}' } }
    const parts = partsOf({ tool_calls: [call] }, { tool_calls: [null, rest] }, { tool_calls: { a: 1 } })
    expect(parts.find(({ type }) => type === 'tool-call')).toMatchObject({
      toolCallId: expect.stringMatching(/^call_/),
      toolName: 'add',
    })
    expect(partsOf({ content: 'x' }, { finish: { a: 1 } }).at(-1)).toMatchObject({
      finishReason: { unified: 'stop', raw: undefined },
    })
  })

  test('are no answer where they end without a mark', () => {
    const reader = createChunkReader(() => {})
    reader.take({ choices: [{ delta: { content: 'Half' } }] })
    expect(() => reader.end({ sawDone: false })).toThrow('without a finish reason')
  })
})

describe('the usage of a chat completion', () => {
  test.each([['7'], ['abc'], [-1], [1.5], [Number.NaN], [{}], [null], [true]])(
    'is not known from %j',
    (odd) => {
      const usage = {
        prompt_tokens: odd,
        completion_tokens: 3,
        prompt_tokens_details: { cached_tokens: odd },
        completion_tokens_details: 'none',
      }
      expect(chatUsage(usage as unknown as ChatUsage)).toEqual({
        inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
        outputTokens: { total: 3, text: 3, reasoning: undefined },
      })
    },
  )
})
