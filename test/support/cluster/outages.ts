/** When the database was away, so that what met that can be told apart. */
export interface Outages {
  during(work: () => Promise<void>): Promise<void>
  /** Whether it was away at some time between `from` and `to`, as `performance.now()` has it. */
  hasBetween(from: number, to: number): boolean
}

/** Nodes need a moment, too, to find their way back. */
const recoveryMs = 1_000

export function createOutages(): Outages {
  const seen: Array<{ from: number; to: number }> = []
  return {
    async during(work) {
      const outage = { from: performance.now(), to: Number.POSITIVE_INFINITY }
      seen.push(outage)
      await work()
      outage.to = performance.now() + recoveryMs
    },
    hasBetween: (from, to) => seen.some((outage) => outage.from <= to && outage.to >= from),
  }
}
