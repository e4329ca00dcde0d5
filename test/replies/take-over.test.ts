import type { LanguageModelV4, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { describe, expect, test } from 'vitest'
import type { ContentPart } from '../../src/messages/content.ts'
import type { Tried } from '../../src/replies/failover.ts'
import { goOn } from '../../src/replies/go-on.ts'
import { beginningOf, isClaimedFirst } from '../../src/replies/take-over.ts'

const text = (said: string): ContentPart => ({ type: 'text', text: said })
const thought: ContentPart = { type: 'reasoning', text: 'hm' }
const untried: Tried[] = []
const said = [thought, text('Once ')]
const call: ContentPart = { type: 'tool_call', call_id: 'a', name: 'look', arguments: '{' }
/** As the model that is to be asked said it. */
const told = (content: ContentPart[], speaker = 'lab/one') => ({ said: content, speaker })

describe('an attempt at a reply that was left by a crash', () => {
  const left = { status: 'in_progress', attempt: 1, crashes: 0, model: 'lab/one', tried: untried } as const

  test.each([
    // What was asked for, whether the model can go on, the crashes before; given up, and what stays.
    [{}, true, 0, false, 'nothing'],
    [{}, true, 3, false, 'nothing'],
    [{}, true, 4, true, 'nothing'],
    [{ maxAttempts: 1 }, true, 0, true, 'nothing'],
    [{ maxAttempts: 2 }, true, 0, false, 'nothing'],
    [{ maxAttempts: 9 }, true, 7, false, 'nothing'],
    [{ onCrash: 'fail' }, true, 0, true, 'all'],
    [{ onCrash: 'fail' }, false, 0, true, 'all'],
    [{ onCrash: 'continue' }, true, 0, false, 'text'],
    [{ onCrash: 'continue' }, false, 0, false, 'nothing'],
    [{ onCrash: 'continue' }, false, 4, true, 'all'],
    [{ onCrash: 'continue', maxAttempts: 2 }, true, 1, true, 'all'],
  ] as const)('%j, model can: %s, %i crashes', (options, canContinue, crashes, isGivenUp, stays) => {
    const beginning = beginningOf({ ...left, crashes, options }, canContinue, 5)
    const keeps = beginning.keeps ?? (() => false)
    expect({
      isGivenUp: beginning.isGivenUp,
      keeps: [said, [thought], []].map((each) => keeps(told(each))),
    }).toEqual({
      isGivenUp,
      keeps: { nothing: [false, false, false], text: [true, false, false], all: [true, true, false] }[stays],
    })
  })

  test.each([
    ['the call of a tool', told([text('Once '), call])],
    ['a refusal', told([text('Once '), { type: 'refusal', text: 'No.' }])],
    ['spaces', told([text(' \n')])],
    ['what another model said', told(said, 'lab/other')],
  ])('does not go on with %s', (_, what) => {
    const { keeps } = beginningOf({ ...left, options: { onCrash: 'continue' } }, true, 5)
    expect(keeps?.(what)).toBe(false)
  })

  test('goes on behind a summary, but not with that alone', () => {
    const summary: ContentPart = { type: 'compaction', summary: 'They like papaya.' }
    const { keeps } = beginningOf({ ...left, options: { onCrash: 'continue' } }, true, 5)
    expect([keeps?.(told([summary, ...said])), keeps?.(told([summary]))]).toEqual([true, false])
  })

  test('does not go on with JSON that its model is held to, but ends with it', () => {
    const options = { onCrash: 'continue', responseFormat: { type: 'json_object' } } as const
    expect(beginningOf({ ...left, options }, true, 5).keeps).toBeUndefined()
    expect(beginningOf({ ...left, crashes: 4, options }, true, 5).keeps?.(told(said))).toBe(true)
    const plain = { onCrash: 'continue', responseFormat: { type: 'text' } } as const
    expect(beginningOf({ ...left, options: plain }, true, 5).keeps?.(told(said))).toBe(true)
  })

  test('does not go on with what its model has refused to go on with', () => {
    const refused = { code: 'provider_rejected', at: 1, round: 0, again: 1, cannotGoOn: true } as const
    const keepsWhere = (model: string) =>
      beginningOf({ ...left, options: { onCrash: 'continue' }, tried: [{ ...refused, model }] }, true, 5)
        .keeps
    expect(keepsWhere('lab/one')).toBeUndefined()
    expect(keepsWhere('lab/other')?.(told(said))).toBe(true)
  })

  test('ends with what was said, whoever said it', () => {
    const { keeps } = beginningOf({ ...left, options: { onCrash: 'fail' } }, true, 5)
    expect(keeps?.(told([text('Once '), call], 'lab/other'))).toBe(true)
  })
})

test.each(['retry', 'continue', 'fail'] as const)('one that was put back was not left: %s', (onCrash) => {
  const queued = {
    status: 'queued',
    attempt: 3,
    crashes: 9,
    model: 'lab/one',
    tried: untried,
    options: { onCrash, maxAttempts: 1 },
  } as const
  const { isGivenUp, keeps } = beginningOf(queued, true, 5)
  expect(isGivenUp).toBe(false)
  expect(keeps?.(told(said)) ?? false).toBe(onCrash === 'continue')
})

test('a first attempt has nothing to keep', () => {
  const fresh = {
    status: 'queued',
    attempt: 0,
    crashes: 0,
    model: 'lab/one',
    tried: untried,
    options: { onCrash: 'continue' },
  } as const
  expect(beginningOf(fresh, true, 5)).toEqual({ isGivenUp: false, keeps: undefined })
})

type Special = Partial<Parameters<typeof isClaimedFirst>[0]> & { mayStay?: boolean }

test.each([
  // What else is true of it; claimed first.
  ['nothing', {}, false],
  ['it may be asked again', { options: { onCrash: 'continue' } }, false],
  ['something may stay', { mayStay: true }, true],
  ['it may be asked for once only', { options: { onCrash: 'fail' } }, true],
  ['its attempts are numbered', { options: { maxAttempts: 3 } }, true],
  ['it is older than its process', { id: 'a' }, true],
  ['its time was agreed', { slotAt: 1 }, true],
] as const)(
  'is claimed before its model is asked, or not: %s',
  (_, { mayStay, ...more }: Special, isFirst) => {
    const reply = { id: 'c', options: {}, slotAt: null, ...more }
    expect(isClaimedFirst(reply, mayStay ? () => true : undefined, 'b')).toBe(isFirst)
  },
)

describe('going on with an answer', () => {
  async function seam(before: string, ...pieces: string[]): Promise<string> {
    const parts = pieces.map((delta) => ({ type: 'text-delta', id: '1', delta }) as const)
    const stream = ReadableStream.from<LanguageModelV4StreamPart>(parts)
    const model = { doStream: async () => ({ stream }) } as unknown as LanguageModelV4
    const asked = goOn(model, { prompt: [] }, [text(before)])
    const answer = await asked.model.doStream(asked.call)
    const deltas = (await Array.fromAsync(answer.stream)) as Array<{ delta: string }>
    return before + deltas.map(({ delta }) => delta).join('')
  }

  test.each([
    ['Once ', [' upon'], 'Once upon'],
    ['Once ', ['upon'], 'Once upon'],
    ['Once', [' upon'], 'Once upon'],
    ['Once\n\n', ['\n', '\n', ' upon'], 'Once\n\n upon'],
    ['Once\n\n', ['\n', 'upon', '\n'], 'Once\n\nupon\n'],
    ['Once ', ['  upon'], 'Once  upon'],
    ['Once ', [], 'Once '],
  ])('says no space twice: %j and %j', async (before, pieces, whole) => {
    expect(await seam(before, ...pieces)).toBe(whole)
  })

  test('leaves the model what is left of the limit, and at least one token', () => {
    const model = {} as LanguageModelV4
    const limitOf = (maxOutputTokens: number) =>
      goOn(model, { prompt: [], maxOutputTokens }, [text('word '.repeat(20))]).call.maxOutputTokens
    expect(limitOf(1_000)).toBeGreaterThan(900)
    expect(limitOf(1_000)).toBeLessThan(1_000)
    expect(limitOf(3)).toBe(1)
    const summary: ContentPart = { type: 'compaction', summary: 'word '.repeat(2_000) }
    const behind = goOn(model, { prompt: [], maxOutputTokens: 1_000 }, [summary, text('word')])
    expect(behind.call.maxOutputTokens).toBeGreaterThan(900)
  })
})
