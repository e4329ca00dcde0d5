import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const bytesPerId = 16
/**
 * Randomness for many ids at once: asking the system for each takes longer than all the rest of making it.
 * The generator's state is the process's, as a clock is: two of them could give the same id.
 */
const pool = new Uint8Array(bytesPerId * 256)
let used = pool.length
let lastMs = 0
let sequence = 0

/** A new UUIDv7 (RFC 9562, with the counter of its section 6.2): unique everywhere, and in the order of its making. */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, (used += bytesPerId))
  const now = Date.now()
  if (now > lastMs) {
    lastMs = now
    // Half of the counter's room, so that it does not run out within a millisecond.
    sequence = (random[0] ?? 0) * 0x40_00_00 + (random[1] ?? 0)
  } else {
    sequence += 1
  }
  return v7({ random, msecs: lastMs, seq: sequence })
}

/** The lowest UUIDv7 of a millisecond: ids that were made earlier are below it. */
export function firstIdAt(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`
}

/** Makes ids of requests: unique among all processes, and cheaper than what is stored. */
export function requestIds(): () => string {
  const process = newId()
  let count = 0
  return () => `${process}-${(count += 1).toString(36)}`
}
