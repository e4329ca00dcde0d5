import { describe, expect, test } from 'vitest'
import type { ReplyErrorCode } from '../../src/errors.ts'
import { ProviderFailure } from '../../src/providers/failure.ts'
import { chooseNow, type Course, decideNext } from '../../src/replies/failover.ts'

const limits = { maxProviderFailures: 2, maxThrottles: 3, retryBaseMs: 100, maxProviderWaitMs: 600_000 }
const now = 1_000_000
const models = ['a', 'b', 'c']
const begun: Course = { model: 'a', models, failures: 0, throttles: 0, tried: [] }

/** Who is next after these have failed in turn; those that are `away` may be asked only so much later. */
function after(
  failed: Array<[model: string, code: ReplyErrorCode, retryAfterMs?: number]>,
  { away = {}, course = begun }: { away?: Record<string, number>; course?: Course } = {},
) {
  const facts = {
    askableAt: (model: string) => (away[model] === undefined ? 0 : now + away[model]),
    windowOf: (model: string) => ({ a: 10, b: 5, c: 20 })[model] ?? 0,
  }
  let next: ReturnType<typeof decideNext>
  let state = course
  for (const [model, code, retryAfterMs] of failed) {
    const failure = new ProviderFailure(code, '', { retryAfterMs })
    next = decideNext(failure, { ...state, model }, { facts, limits, now, random: 1 })
    state = { ...state, ...next?.tries }
  }
  return next && { ...next, ...next.tries, tried: next.tries.tried.length }
}

describe('who is asked next', () => {
  test('each in turn, at once and without a try', () => {
    expect(after([['a', 'provider_unavailable']])).toMatchObject({ model: 'b', delayMs: 0, failures: 0 })
    expect(
      after([
        ['a', 'provider_unavailable'],
        ['b', 'provider_timeout'],
      ]),
    ).toMatchObject({ model: 'c', delayMs: 0, failures: 0 })
  })

  test('then the first again, after a pause, and that was one try', () => {
    const all: Array<[string, ReplyErrorCode]> = models.map((model) => [model, 'provider_unavailable'])
    expect(after(all)).toMatchObject({ model: 'a', delayMs: 100, failures: 1, throttles: 0, tried: 3 })
    expect(after([...all, ['a', 'provider_empty']])).toMatchObject({ model: 'b', delayMs: 0 })
    expect(after([...all, ...all])).toBeUndefined()
  })

  test('a round of nothing but rate limits counts as one of those', () => {
    const throttled: Array<[string, ReplyErrorCode, number]> = [
      ['a', 'provider_rate_limited', 9_000],
      ['b', 'provider_rate_limited', 3_000],
    ]
    const rest = { model: 'c', delayMs: 0, failures: 0, throttles: 0 }
    expect(after(throttled)).toMatchObject(rest)
    expect(after([...throttled, ['c', 'provider_rate_limited', 5_000]])).toMatchObject({
      model: 'b',
      delayMs: 3_010,
      failures: 0,
      throttles: 1,
    })
    expect(after([...throttled, ['c', 'provider_empty']])).toMatchObject({
      model: 'c',
      delayMs: 100,
      failures: 1,
      throttles: 0,
    })
  })

  test('nobody who will say the same again', () => {
    expect(
      after([
        ['a', 'provider_unauthorized'],
        ['b', 'unsupported_by_model'],
        ['c', 'provider_rate_limited', 11 * 60_000],
      ]),
    ).toBeUndefined()
    expect(
      after([
        ['a', 'provider_unauthorized'],
        ['b', 'provider_unavailable'],
        ['c', 'provider_rejected'],
      ]),
    ).toMatchObject({ model: 'b', delayMs: 100, failures: 1 })
  })

  test('nobody where all would fail the same way', () => {
    for (const code of [
      'content_filtered',
      'crashed',
      'internal_error',
      'reply_timeout',
      'reply_too_long',
    ] as const) {
      expect(after([['a', code]])).toBeUndefined()
    }
  })

  test('of a conversation that is too long, only who takes more', () => {
    expect(after([['a', 'context_length_exceeded']])).toMatchObject({ model: 'c' })
    expect(after([['c', 'context_length_exceeded']])).toBeUndefined()
  })

  test('whoever may be asked goes before whoever may not, which takes no try where nobody was asked', () => {
    expect(after([['a', 'provider_unavailable']], { away: { b: 5_000 } })).toMatchObject({ model: 'c' })
    expect(after([['a', 'provider_unauthorized']], { away: { b: 5_000, c: 4_000 } })).toMatchObject({
      model: 'c',
      // Not together with all others that wait for it.
      delayMs: 4_500,
      waitingSince: now,
      failures: 0,
    })
  })

  test('one that may not be asked again yet is waited for, but not for longer than may be', () => {
    const alone = { ...begun, models: ['a'] }
    const wait = (awayMs: number) =>
      after([['a', 'provider_unavailable']], { course: alone, away: { a: awayMs } })
    expect(wait(4_000)).toMatchObject({ model: 'a', delayMs: 5_000, waitingSince: now, failures: 1 })
    expect(wait(3_600_000)).toMatchObject({ delayMs: 600_000, waitingSince: now })
    expect(wait(1)).toMatchObject({ delayMs: 100 })
    expect(after([['a', 'provider_unavailable']], { course: alone })).toMatchObject({ waitingSince: null })
  })

  test('when the tries are spent, nobody is waited for', () => {
    const course = { ...begun, failures: 1 }
    const away = { b: 5_000, c: 5_000 }
    expect(after([['a', 'provider_unavailable']], { course, away })).toBeUndefined()
  })

  test('what is remembered of those who failed is bounded', () => {
    const entry = { model: 'b', code: 'provider_empty', at: 0, round: 0, again: 0 } as const
    const course = { ...begun, failures: 0, tried: Array.from({ length: 40 }, () => entry) }
    expect(after([['a', 'provider_empty']], { course })?.tried).toBe(32)
  })
})

describe('who is asked now', () => {
  const choose = (away: Record<string, number>, course = begun) =>
    chooseNow(course, { askableAt: (model) => (away[model] ? now + away[model] : 0) }, now)

  test('the one whose turn it is, where that may be asked', () => {
    expect(choose({ b: 5_000 })).toEqual({ model: 'a', askableAt: 0, tried: [] })
  })

  test('else the next one that may, and it is remembered who was passed over', () => {
    expect(choose({ a: 5_000, b: 5_000 })).toMatchObject({
      model: 'c',
      tried: [{ model: 'a', code: 'provider_unavailable' }],
    })
  })

  test('where none may, it is known when the first of them may', () => {
    expect(choose({ a: 5_000, b: 3_000, c: 4_000 })).toMatchObject({ model: 'a', askableAt: now + 3_000 })
  })

  test('not one that was asked in this round, or is out of the question', () => {
    const failed = { code: 'provider_unavailable', at: 0, round: 0 } as const
    const tried = [
      { ...failed, model: 'b', again: 0 },
      { ...failed, model: 'c', round: -1, again: null },
    ]
    expect(choose({ a: 5_000 }, { ...begun, tried })).toMatchObject({ model: 'a', askableAt: now + 5_000 })
  })
})
