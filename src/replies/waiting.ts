import type { RetryLimits } from './retry.ts'

export interface WaitLimits extends Pick<RetryLimits, 'maxProviderFailures'> {
  /** How long an answer waits for a provider that may not be asked. */
  maxProviderWaitMs: number
}

/**
 * When a reply looks again whether its provider may be asked, which is not before `askableAt`; at the latest when it
 * has waited for as long as it may. Those who wait together do not come back together: the first of them is the probe,
 * and the others have to go again. Who has lost fewer tries comes first, so that it is not always the same one that
 * loses another. `random` is in [0, 1).
 */
export function looksAgainAt(
  reply: { askableAt: number; waitingSince: number; failures: number },
  { limits, now, random }: { limits: WaitLimits; now: number; random: number },
): number {
  const { askableAt, waitingSince, failures } = reply
  const share = Math.min(1, (failures + random) / limits.maxProviderFailures)
  const spread = ((askableAt - now) / 4) * share
  const latest = waitingSince + limits.maxProviderWaitMs
  return Math.ceil(Math.max(now + 1, Math.min(latest, askableAt + spread)))
}
