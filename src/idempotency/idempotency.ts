import type { Clock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import { createKeyStore } from './store.ts'

const pruneEveryMs = 600_000
const hourMs = 3_600_000

/** A request that must be done once, however often it comes. */
export interface RequestKey {
  ownerId: string
  key: string
  /** What was asked: another request under the same key is a mistake. */
  fingerprint: string
  /** How long after it a request of the same key is the same; undefined is as long as keys are kept. */
  sameWithinMs?: number
  /** It is another one than all before it. */
  isFirst?: boolean
}

/** What a request has made, by name: the ids of it. */
export type Made = Record<string, string | null>

/** What the work of a request does in its transaction. */
export interface Once {
  /** Ends the work where it was done already: before what is dear to do, and to roll back. */
  check(tx: Transaction): Promise<void>
  /** Remembers what was made; ends the work, which is then rolled back, where it was done already. */
  remember(tx: Transaction, made: Made): Promise<void>
}

export type Idempotency = ReturnType<typeof createIdempotency>

/**
 * Requests that may come twice (draft-ietf-httpapi-idempotency-key-header, with the behaviour of Stripe). What a
 * request made is remembered in its own transaction: it is there with its key, or neither is. Only ids are kept, so
 * that what was said stands in one place.
 */
export function createIdempotency(parts: { storage: Storage; now: Clock; keptHours: number; log: Log }) {
  const { storage, now, log } = parts
  const keptMs = parts.keptHours * hourMs
  const store = createKeyStore(storage)
  let timer: NodeJS.Timeout | undefined

  /**
   * Does `work` unless it was done under this key: then says what that made. One that comes while the first is
   * under way waits for it. What fails is not remembered.
   * Rejects with `idempotency_key_reused` where the key stands for another request.
   *
   * Nearly every request is the first of its key, so that nobody looks before the work is done: `remember` finds the
   * key taken, and all is rolled back. Work that fails may have met what the first one did, or a limit that is none
   * for what was done already: then the key is looked for.
   */
  async function once<T>(
    request: RequestKey | undefined,
    work: (once: Once) => Promise<T>,
  ): Promise<{ done: T } | { repeated: Made }> {
    if (!request) return { done: await work(always) }
    try {
      const done = await work({
        async check(tx) {
          const made = await find(tx, request)
          if (made) throw new Repeated(made)
        },
        remember: (tx, made) => remember(tx, request, made),
      })
      return { done }
    } catch (error) {
      const made = error instanceof Repeated ? error.made : await find(storage.db, request)
      if (made) return { repeated: made }
      throw error
    }
  }

  async function find(on: Database | Transaction, request: RequestKey): Promise<Made | undefined> {
    const row = await store.find(on, request.ownerId, request.key)
    return row && row.created_at >= validFrom(request) ? madeBy(row, request) : undefined
  }

  async function remember(tx: Transaction, request: RequestKey, made: Made): Promise<void> {
    const { ownerId, key, fingerprint } = request
    const row = {
      owner_id: ownerId,
      key,
      fingerprint,
      answer_json: JSON.stringify(made),
      created_at: now(),
    }
    if (await store.put(tx, row, validFrom(request))) return
    const first = await store.find(tx, ownerId, key)
    // Another one was quicker: what this one did is rolled back.
    if (first) throw new Repeated(madeBy(first, request))
  }

  function validFrom({ sameWithinMs = keptMs, isFirst }: RequestKey): number {
    return isFirst ? Number.MAX_SAFE_INTEGER : now() - Math.min(sameWithinMs, keptMs)
  }

  /** Forgets what is older than keys are kept. */
  async function prune(): Promise<void> {
    while ((await storage.write((tx) => store.removeBefore(tx, now() - keptMs))) > 0);
  }

  return {
    once,
    prune,
    start() {
      const run = () => {
        prune().catch((error: unknown) => log.error({ err: error }, 'old keys could not be removed'))
      }
      run()
      timer = setInterval(run, pruneEveryMs)
    },
    stop: () => clearInterval(timer),
  }
}

/** Of a request that names no key. */
const always: Once = { check: async () => {}, remember: async () => {} }

function madeBy(row: { fingerprint: string; answer_json: string }, { fingerprint }: RequestKey): Made {
  if (row.fingerprint === fingerprint) return JSON.parse(row.answer_json) as Made
  throw new ParleyError(
    'idempotency_key_reused',
    'This Idempotency-Key was used for another request: use a new one for each.',
    { fields: [{ in: 'header', field: 'idempotency-key', message: 'was used for another request' }] },
  )
}

/** Rolls back what turned out to have been done already. */
class Repeated extends Error {
  readonly made: Made
  constructor(made: Made) {
    super('this request was done already')
    this.made = made
  }
}
