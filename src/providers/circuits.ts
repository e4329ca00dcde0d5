import { circuitBreaker, CircuitState, ConsecutiveBreaker, DelegateBackoff, handleAll } from 'cockatiel'

/** However often a probe failed, the next one comes at the latest after this. */
const maxPauseMs = 60_000
/** How soon to look again while a probe is under way. */
const probingMs = 1_000

/** A call that a provider's circuit let through. The first that is said of it counts; each must be said one. */
export interface Pass {
  /** The provider works. */
  succeeded(): void
  /** It does not. */
  failed(): void
  /** Nobody knows: the call was given up. A probe that ends so shows no recovery. */
  givenUp(): void
}

/**
 * A circuit for each provider, in this process. It opens after `failures` calls in a row that failed; then nobody
 * is let through for `pauseMs`, and after that a single call, the probe. If it succeeds the circuit closes, else it
 * stays open for twice as long as before, up to a minute.
 */
export function createCircuits(options: { failures: number; pauseMs: number }) {
  const { failures, pauseMs } = options
  const circuits = new Map<string, ReturnType<typeof createCircuit>>()

  function createCircuit() {
    let probeAt = 0
    let openedAt: number | null = null
    const backoff = new DelegateBackoff<{ attempt: number }>(({ attempt }) => {
      const pause = Math.min(maxPauseMs, pauseMs * 2 ** (attempt - 1))
      // The breaker reads the clock a moment later.
      probeAt = Date.now() + pause + 1
      openedAt ??= Date.now()
      return pause
    })
    const breaker = circuitBreaker(handleAll, {
      breaker: new ConsecutiveBreaker(failures),
      halfOpenAfter: backoff,
    })
    breaker.onReset(() => {
      openedAt = null
    })

    function askableAt(): number {
      if (breaker.state === CircuitState.Closed) return 0
      if (breaker.state === CircuitState.HalfOpen) return Date.now() + Math.min(probingMs, pauseMs)
      return probeAt <= Date.now() ? 0 : probeAt
    }

    function enter(): Pass | undefined {
      if (askableAt() > 0) return undefined
      const isProbe = breaker.state === CircuitState.Open
      const outcome = Promise.withResolvers<void>()
      // A call that was given up says nothing, and is not waited for; but a probe must end.
      breaker.execute(() => outcome.promise).catch(() => {})
      return {
        succeeded: () => outcome.resolve(),
        failed: () => outcome.reject(new Error('the provider failed')),
        givenUp: () => {
          if (isProbe) outcome.reject(new Error('the probe was given up'))
        },
      }
    }

    return {
      askableAt,
      enter,
      /** Null where it is closed. */
      get openedAt() {
        return openedAt
      },
    }
  }

  return {
    of(provider: string) {
      let circuit = circuits.get(provider)
      if (!circuit) circuits.set(provider, (circuit = createCircuit()))
      return circuit
    },
  }
}
