import { circuitBreaker, CircuitState, ConsecutiveBreaker, DelegateBackoff, handleAll } from 'cockatiel'

/** However often a probe failed, the next one comes at the latest after this. */
const maxPauseMs = 60_000
/** How soon to look again while a probe is under way. */
const probingMs = 1_000

/**
 * A call that a provider's circuit let through. The first that is said of it counts; each must be said one. It counts
 * for the circuit as that was when the call began: one that has opened or closed since has heard of newer ones.
 */
export interface Pass {
  /** The provider works. */
  succeeded(): void
  /** It does not. */
  failed(): void
  /** Nobody knows: the call was given up. A probe that ends so shows no recovery. */
  givenUp(): void
  /** It was not asked after all: another one may be. */
  notAsked(): void
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
    let isProbed = false
    let openedAt: number | null = null
    /** Raised whenever it opens or closes. */
    let generation = 0
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
    breaker.onStateChange((state) => {
      if (state !== CircuitState.HalfOpen) generation += 1
    })

    function askableAt(): number {
      if (breaker.state === CircuitState.Closed) return 0
      if (isProbed) return Date.now() + Math.min(probingMs, pauseMs)
      return probeAt <= Date.now() ? 0 : probeAt
    }

    function enter(): Pass | undefined {
      if (askableAt() > 0) return undefined
      const isProbe = breaker.state === CircuitState.Open
      const begunIn = generation
      let isSaid = false
      if (isProbe) isProbed = true

      /** The breaker hears of a call when that is over: under way it would count in whatever came of the circuit since. */
      async function say(outcome: () => Promise<void>) {
        if (isSaid) return
        isSaid = true
        if (begunIn === generation) await breaker.execute(outcome).catch(() => {})
        if (isProbe) isProbed = false
      }

      return {
        succeeded: () => void say(succeed),
        failed: () => void say(fail),
        // It says nothing; but a probe must end.
        givenUp: () => void (isProbe && say(fail)),
        notAsked: () => {
          if (isProbe && !isSaid) isProbed = false
          isSaid = true
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

  const succeed = async () => {}
  const fail = async () => {
    throw new Error('the provider failed')
  }

  return {
    of(provider: string) {
      let circuit = circuits.get(provider)
      if (!circuit) circuits.set(provider, (circuit = createCircuit()))
      return circuit
    },
  }
}
