import { describe, expect, test } from 'vitest'
import type { ReplyErrorCode } from '../../src/errors.ts'
import { ProviderFailure } from '../../src/providers/failure.ts'
import { decideRetry, type RetryLimits } from '../../src/replies/retry.ts'

const limits: RetryLimits = { maxProviderFailures: 3, maxThrottles: 5, retryBaseMs: 100 }
const never = { retry: false }

function decide(
  code: ReplyErrorCode,
  given: { retryAfterMs?: number; failures?: number; throttles?: number; random?: number } = {},
) {
  const { retryAfterMs, failures = 0, throttles = 0, random = 1 } = given
  return decideRetry(new ProviderFailure(code, '', { retryAfterMs }), { failures, throttles }, limits, random)
}

describe('trying a reply again', () => {
  test.each([
    'provider_rate_limited',
    'provider_unavailable',
    'provider_timeout',
    'provider_interrupted',
    'provider_malformed',
    'provider_empty',
  ] as const)('what may pass is tried again: %s', (code) => {
    expect(decide(code)).toMatchObject({ retry: true })
  })

  test.each([
    'provider_unauthorized',
    'provider_rejected',
    'model_not_found',
    'context_length_exceeded',
    'content_filtered',
    'crashed',
    'internal_error',
    'reply_timeout',
    'reply_too_long',
  ] as const)('what would only happen again is not: %s', (code) => {
    expect(decide(code)).toEqual(never)
  })

  test('the pause doubles with each failure, up to half a minute', () => {
    const patient = { ...limits, maxProviderFailures: 100 }
    const failure = new ProviderFailure('provider_unavailable', '')
    const pauses = [0, 1, 2, 20].map((failures) =>
      decideRetry(failure, { failures, throttles: 0 }, patient, 1),
    )
    expect(pauses).toMatchObject([{ delayMs: 100 }, { delayMs: 200 }, { delayMs: 400 }, { delayMs: 30_000 }])
  })

  test('jitter spreads those who failed together over the upper half of the pause', () => {
    expect(decide('provider_timeout', { random: 0 })).toMatchObject({ delayMs: 50 })
    expect(decide('provider_timeout', { random: 0.5 })).toMatchObject({ delayMs: 75 })
  })

  test('never sooner than the provider asked', () => {
    expect(decide('provider_rate_limited', { retryAfterMs: 7_000, random: 0 })).toMatchObject({
      delayMs: 7_005,
    })
  })

  test('a provider that asks for hours is not waited for', () => {
    expect(decide('provider_rate_limited', { retryAfterMs: 10 * 60_000 })).toMatchObject({ retry: true })
    expect(decide('provider_rate_limited', { retryAfterMs: 10 * 60_000 + 1 })).toEqual(never)
  })

  test('failures have a budget', () => {
    expect(decide('provider_unavailable', { failures: 1 })).toMatchObject({
      retry: true,
      tries: { failures: 2, throttles: 0 },
    })
    expect(decide('provider_unavailable', { failures: 2 })).toEqual(never)
  })

  test('refusals for a rate limit have a budget of their own', () => {
    expect(decide('provider_rate_limited', { failures: 2, throttles: 3 })).toMatchObject({
      retry: true,
      tries: { failures: 2, throttles: 4 },
    })
    expect(decide('provider_rate_limited', { throttles: 4 })).toEqual(never)
  })
})
