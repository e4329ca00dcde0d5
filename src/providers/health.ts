import type { Clock } from '../clock.ts'
import type { ReplyErrorCode } from '../errors.ts'
import { createCircuits } from './circuits.ts'
import type { ResolvedModel } from './registry.ts'

/** More models than a server is asked for; beyond that the one that was not heard of for longest is forgotten. */
const maxModels = 1_000

/** How a model does, as far as this process knows: from the answers that it asked for itself. */
export interface Health {
  /** `degraded`: its last call failed. `unavailable`: it is not asked now, or refuses whatever it is asked. */
  status: 'ok' | 'degraded' | 'unavailable'
  /** Since when; null where it was not asked yet. */
  since: number | null
  lastError: ReplyErrorCode | null
}

/** A call of a model that is under way. What is said of it first is what counts. */
export interface Call {
  /** It answers: its first token came. */
  answers(): void
  fails(code: ReplyErrorCode): void
  /** It was given up for a reason that is not the provider's. */
  end(): void
  /** It was not made after all. */
  notMade(): void
}

/** What speaks of the provider itself: these open its circuit. */
const opening = new Set<ReplyErrorCode>([
  'provider_unavailable',
  'provider_timeout',
  'provider_interrupted',
  'provider_malformed',
])
/** What is no provider's doing says nothing of it. */
const ours = new Set<ReplyErrorCode>(['internal_error', 'crashed', 'reply_timeout', 'reply_too_long'])
/** It was reached, and will say the same to everybody. */
const refusing = new Set<ReplyErrorCode>(['provider_unauthorized', 'model_not_found'])
/** The answer is of no use, but another may be. */
const passing = new Set<ReplyErrorCode>(['provider_rate_limited', 'provider_empty'])

export type ProviderHealth = ReturnType<typeof createHealth>

/** Watches how providers do, and keeps those that fail from being asked for a while. */
export function createHealth(options: { circuitFailures: number; circuitPauseMs: number; now: Clock }) {
  const { circuitFailures, circuitPauseMs, now } = options
  const circuits = createCircuits({ failures: circuitFailures, pauseMs: circuitPauseMs })
  const known = new Map<string, Health>()

  function note(name: string, status: Health['status'], lastError: ReplyErrorCode | null) {
    const before = known.get(name)
    const since = before?.status === status ? before.since : now()
    known.delete(name)
    known.set(name, { status, since, lastError })
    for (const oldest of known.keys()) {
      if (known.size <= maxModels) break
      known.delete(oldest)
    }
  }

  return {
    /** From when the model may be asked, in milliseconds since 1970; 0 is now. */
    askableAt: ({ provider }: ResolvedModel): number => circuits.of(provider.name).askableAt(),

    /** Begins a call; undefined where its provider may not be asked now. */
    begin({ name, provider }: ResolvedModel): Call | undefined {
      const pass = circuits.of(provider.name).enter()
      if (!pass) return undefined
      let hasAnswered = false
      return {
        answers() {
          if (hasAnswered) return
          hasAnswered = true
          pass.succeeded()
          note(name, 'ok', null)
        },
        fails(code) {
          // That is known without asking.
          if (code === 'unsupported_by_model') pass.notAsked()
          else if (ours.has(code)) pass.givenUp()
          else if (opening.has(code)) pass.failed()
          // Whatever else it said, it was there to say it: a rate limit, too, speaks of who asks.
          else pass.succeeded()
          if (refusing.has(code)) note(name, 'unavailable', code)
          else if (opening.has(code) || passing.has(code)) note(name, 'degraded', code)
        },
        end: pass.givenUp,
        notMade: pass.notAsked,
      }
    },

    of(name: string, provider: string): Health {
      const { openedAt } = circuits.of(provider)
      const { status = 'ok', since = null, lastError = null } = known.get(name) ?? {}
      if (openedAt === null) return { status, since, lastError }
      return { status: 'unavailable', since: openedAt, lastError: lastError ?? 'provider_unavailable' }
    },
  }
}
