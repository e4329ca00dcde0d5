import type { LanguageModelV4FinishReason, LanguageModelV4Usage } from '@ai-sdk/provider'
import { describe, expect, test } from 'vitest'
import { ParleyError, replyErrors, type ReplyErrorCode } from '../../src/errors.ts'
import type { ContentPart } from '../../src/messages/content.ts'
import { ProviderFailure } from '../../src/providers/failure.ts'
import type { Answer } from '../../src/replies/ask.ts'
import { judge } from '../../src/replies/judge.ts'

const limits = { maxProviderFailures: 4, maxThrottles: 4, retryBaseMs: 1, maxProviderWaitMs: 600_000 }
const alone = { model: 'one/any', models: ['one/any'], tried: [] }
const first = { ...alone, failures: 0, throttles: 0 }
const last = { ...alone, failures: 3, throttles: 3 }
const given = { facts: { askableAt: () => 0, windowOf: () => 1 }, limits, now: 0, random: 0 }
const said: ContentPart[] = [{ type: 'text', text: 'half an ans' }]
const thought: ContentPart[] = [{ type: 'reasoning', text: 'hm' }]

const usage: LanguageModelV4Usage = {
  inputTokens: { total: 9, noCache: 7, cacheRead: 2, cacheWrite: undefined },
  outputTokens: { total: 5, text: undefined, reasoning: 1 },
}

function ended(unified: LanguageModelV4FinishReason['unified'], raw: string | null = unified) {
  return { reason: { unified, raw: raw ?? undefined }, usage }
}

function verdictOn(answer: Partial<Answer>, tries = first) {
  return judge({ content: [], finish: undefined, failure: undefined, ...answer }, tries, given)
}

function endsAs(status: string, code: ReplyErrorCode) {
  return { kind: 'end', ending: { status, error: { code, message: replyErrors[code] } } }
}

describe('what becomes of a reply', () => {
  test('an answer that came to its end is completed, with its usage', () => {
    expect(verdictOn({ content: said, finish: ended('stop') })).toMatchObject({
      kind: 'end',
      ending: {
        status: 'completed',
        finishReason: 'stop',
        usage: { input_tokens: 9, cached_input_tokens: 2, output_tokens: 5, reasoning_tokens: 1 },
        error: null,
      },
    })
  })

  test.each([
    ['length', 'max_output_tokens'],
    ['content-filter', 'content_filtered'],
  ] as const)('one that was cut off (%s) is incomplete, and says why', (reason, code) => {
    expect(verdictOn({ content: said, finish: ended(reason) })).toMatchObject(endsAs('incomplete', code))
  })

  test('a limit that left no room for a word is no failure of the provider', () => {
    expect(verdictOn({ finish: ended('length') })).toMatchObject(endsAs('incomplete', 'max_output_tokens'))
  })

  test('one that a filter held back whole is failed, at once', () => {
    expect(verdictOn({ finish: ended('content-filter') })).toMatchObject(endsAs('failed', 'content_filtered'))
  })

  test.each([
    ['no content', ended('stop'), 'provider_empty'],
    ['an end in an error', ended('error'), 'provider_unavailable'],
    ['an end in an interruption', ended('interrupted', null), 'provider_interrupted'],
    ['an end for no reason', ended('other', null), 'provider_interrupted'],
  ] as const)('%s is tried again, and fails when there were enough tries', (_, finish, code) => {
    expect(verdictOn({ finish })).toMatchObject({ kind: 'retry', failure: { code } })
    expect(verdictOn({ finish }, last)).toMatchObject(endsAs('failed', code))
  })

  test('one that adds nothing to what was said before is for its own model again, and for no other', () => {
    const failure = new ProviderFailure('provider_unavailable', 'away')
    const course = { ...first, models: ['one/any', 'two/any'] }
    const next = (answer: Partial<Answer>) => verdictOn({ failure, ...answer }, course)
    expect(next({ isOld: true })).toMatchObject({ kind: 'retry', next: { model: 'two/any' } })
    expect(next({ content: said, isOld: true })).toMatchObject({ kind: 'retry', next: { model: 'one/any' } })
    expect(next({ content: said, isOld: false })).toMatchObject(endsAs('incomplete', 'provider_unavailable'))
  })

  test.each(['provider_rejected', 'unsupported_by_model'] as const)(
    'one that its model does not go on with is asked for from the beginning, once more (%s)',
    (code) => {
      const refused = { content: said, isOld: true, failure: new ProviderFailure(code, 'no prefill') }
      const next = {
        model: 'one/any',
        delayMs: 0,
        tries: { failures: 4, tried: [{ code, cannotGoOn: true }] },
      }
      expect(verdictOn(refused, last)).toMatchObject({ kind: 'retry', next })
      expect(verdictOn({ ...refused, isOld: false })).toMatchObject(endsAs('incomplete', code))
      expect(verdictOn({ ...refused, content: [] })).toMatchObject(endsAs('failed', code))
    },
  )

  test('an end for no known reason is an end, where the provider gave one', () => {
    expect(verdictOn({ content: said, finish: ended('other', 'recitation') })).toMatchObject({
      ending: { status: 'completed', finishReason: 'other' },
    })
  })

  test.each([
    ['text', said],
    ['reasoning', thought],
  ])('once %s was seen nothing is tried again', (_, content) => {
    const failure = new ProviderFailure('provider_interrupted', 'reset')
    expect(verdictOn({ content, failure })).toMatchObject(endsAs('incomplete', 'provider_interrupted'))
  })

  test('thoughts without an answer are no answer', () => {
    expect(verdictOn({ content: thought, finish: ended('stop') })).toMatchObject(
      endsAs('incomplete', 'provider_empty'),
    )
  })

  test('before that, what may pass is tried again', () => {
    const failure = new ProviderFailure('provider_unavailable', 'reset')
    expect(verdictOn({ failure })).toMatchObject({ kind: 'retry', failure: { code: 'provider_unavailable' } })
    expect(verdictOn({ failure }, last)).toMatchObject(endsAs('failed', 'provider_unavailable'))
  })

  test('a model that nobody serves any more is not found', () => {
    const failure = new ParleyError('unknown_model', 'nobody')
    expect(verdictOn({ failure })).toMatchObject(endsAs('failed', 'model_not_found'))
  })

  test("a mistake of this server's is told as one, without its words, and not repeated", () => {
    const verdict = verdictOn({ failure: new TypeError('secret is not a function') })
    expect(verdict).toMatchObject(endsAs('failed', 'internal_error'))
    expect(JSON.stringify((verdict as { ending: unknown }).ending)).not.toContain('secret')
  })
})
