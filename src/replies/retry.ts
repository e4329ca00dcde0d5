import type { ProviderFailure } from '../providers/failure.ts'

const maxBackoffMs = 30_000
/** A provider that asks for a longer pause than this is not waited for. */
const maxRetryAfterMs = 10 * 60_000

export interface RetryLimits {
  maxProviderFailures: number
  maxThrottles: number
  retryBaseMs: number
}

/** What was tried before. Refusals for a rate limit have a budget of their own. */
export interface Tries {
  failures: number
  throttles: number
}

/** Try again after `delayMs`, with the tries counted; or not at all. */
export type Decision = { retry: true; delayMs: number; tries: Tries } | { retry: false }

/** What becomes of a reply whose provider failed before the first token. `random` is in [0, 1). */
export function decideRetry(
  failure: Pick<ProviderFailure, 'code' | 'isRetryable' | 'retryAfterMs'>,
  tries: Tries,
  limits: RetryLimits,
  random: number,
): Decision {
  if (!mayComeBack(failure)) return { retry: false }
  const isThrottle = failure.code === 'provider_rate_limited'
  const counted: Tries = isThrottle
    ? { ...tries, throttles: tries.throttles + 1 }
    : { ...tries, failures: tries.failures + 1 }
  const isSpent = isThrottle
    ? counted.throttles >= limits.maxThrottles
    : counted.failures >= limits.maxProviderFailures
  if (isSpent) return { retry: false }
  const tried = isThrottle ? counted.throttles : counted.failures
  return {
    retry: true,
    delayMs: delayOf(failure.retryAfterMs, tried, limits.retryBaseMs, random),
    tries: counted,
  }
}

/** Whether the same model may be asked again, however often it was. */
export function mayComeBack(failure: Pick<ProviderFailure, 'isRetryable' | 'retryAfterMs'>): boolean {
  return failure.isRetryable && (failure.retryAfterMs ?? 0) <= maxRetryAfterMs
}

/**
 * Exponential backoff with jitter over its upper half, so that those who failed together do not come back
 * together; never sooner than the provider asked.
 */
function delayOf(retryAfterMs: number | undefined, tried: number, baseMs: number, random: number): number {
  const ceiling = Math.min(maxBackoffMs, baseMs * 2 ** (tried - 1))
  const backoff = ceiling * (0.5 + random / 2)
  return Math.round(retryAfterMs === undefined ? backoff : retryAfterMs + backoff / 10)
}
