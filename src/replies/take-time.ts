import type { Clock } from '../clock.ts'
import type { Storage } from '../storage/storage.ts'
import type { createRateStore } from './rate-store.ts'
import { reserve } from './rate-window.ts'

/** A model may be asked, but only later: its reply waits for that in the queue. No try, and nobody's failure. */
export class AskLater extends Error {
  constructor() {
    super('its provider is asked as often as it may be')
    this.name = 'AskLater'
  }
}

/**
 * Takes a time at a provider for whoever asks it once more in the same attempt. Rejects with AskLater where none is
 * free now: one is agreed on for the next attempt, which has what this one was told.
 */
export function createTakeTime(parts: {
  storage: Storage
  rates: ReturnType<typeof createRateStore>
  limits: { requestsPerMinute: Map<string, number> }
  now: Clock
}) {
  const { storage, rates, limits, now } = parts

  return async function takeTime(provider: string): Promise<void> {
    const perMinute = limits.requestsPerMinute.get(provider)
    if (perMinute === undefined) return
    const time = now()
    const isFree = await storage.write(async (tx) => {
      const { at, window } = reserve(await rates.hold(tx, provider), perMinute, time)
      if (at > time) return false
      await rates.write(tx, provider, window)
      return true
    })
    if (!isFree) throw new AskLater()
  }
}
