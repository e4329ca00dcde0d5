import type { Clock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import { type Log, levelOf } from '../log.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import { createKeyStore } from './store.ts'

const pruneEveryMs = 600_000
const hourMs = 3_600_000
/** OpenAI's clients give up after ten minutes, and try again at once. */
const countedMs = 15 * 60_000

/** A request that must be done once, however often it comes. */
export interface RequestKey {
  ownerId: string
  key: string
  /** What was asked: another request under the same key is a mistake. */
  fingerprint: string
  /** Of a client that names no key, but counts its tries: how many there were before. */
  tries?: number
  /** Whether its client has left. */
  isGone?: () => boolean
}

/** What a request has made, by name: the ids of it. */
export type Made = Record<string, string | null>

/** How what a request made is still new: it is being made, or has ended, or was cancelled, a moment ago. */
export type Newness = 'open' | 'ended' | 'cancelled'

/** Whether what a request made is there, and so new that its client may not have heard of it. */
export type IsNew = (made: Made) => Promise<Newness | undefined>

/** What the work of a request does in its transaction. */
export interface Once {
  /** How long after it the same request may come again, in milliseconds; 0 where that is another one. */
  comesAgainWithinMs: number
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
   *
   * A client that only counts its tries may ask for the same again and mean it: its first try is always done, and a
   * later one is the same only as long as what that made `isNew`. Without that, such a client has no key.
   */
  async function once<T>(
    request: RequestKey | undefined,
    work: (once: Once) => Promise<T>,
    isNew?: IsNew,
  ): Promise<{ done: T } | { repeated: Made }> {
    if (!request || (request.tries !== undefined && !isNew)) return { done: await work(always) }
    try {
      const done = await work({
        comesAgainWithinMs: sameWithinMs(request),
        async check(tx) {
          const made = await find(tx, request)
          if (made) throw new Repeated(made)
        },
        remember: (tx, made) => remember(tx, request, made),
      })
      return { done }
    } catch (error) {
      if (request.tries === 0 && !request.isGone?.()) await forget(request, isNew)
      const made = error instanceof Repeated ? error.made : await find(storage.db, request)
      if (made && (request.tries === undefined || (await isNew?.(made)))) return { repeated: made }
      if (!(error instanceof Repeated)) throw error
      // What it had made before is old: it asks for the same once more.
      return once({ ...request, tries: 0 }, work, isNew)
    }
  }

  async function find(on: Database | Transaction, request: RequestKey): Promise<Made | undefined> {
    const row = await store.find(on, request.ownerId, request.key)
    return row && isSame(row, request) ? madeBy(row, request) : undefined
  }

  async function remember(tx: Transaction, request: RequestKey, made: Made): Promise<void> {
    const { ownerId, key, fingerprint } = request
    const row = { owner_id: ownerId, key, fingerprint, answer_json: JSON.stringify(made), created_at: now() }
    while (!(await store.put(tx, row))) {
      const first = await store.find(tx, ownerId, key)
      if (first && isSame(first, request)) throw new Repeated(madeBy(first, request))
      // Its client has tried again since, and was served: this one was held up on its way.
      if (request.isGone?.()) throw left()
      await store.remove(tx, ownerId, key)
    }
  }

  /** Whether what is remembered under its key is what the request asks for. */
  function isSame(row: { created_at: number }, request: RequestKey): boolean {
    return request.tries !== 0 && row.created_at >= now() - sameWithinMs(request)
  }

  function sameWithinMs({ tries }: RequestKey): number {
    return tries === undefined ? keptMs : Math.min(countedMs, keptMs)
  }

  /**
   * Of a first try that is refused: what a client asked for before, in the same words, is not what it tries again. But
   * while that is being made, it may be another client's, or the same request sent twice.
   */
  async function forget({ ownerId, key }: RequestKey, isNew: IsNew | undefined): Promise<void> {
    const row = await store.find(storage.db, ownerId, key)
    if (!row || (await isNew?.(JSON.parse(row.answer_json) as Made)) === 'open') return
    await storage.write((tx) => store.remove(tx, ownerId, key))
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
        prune().catch((error: unknown) =>
          log[levelOf(error)]({ err: error }, 'old keys could not be removed'),
        )
      }
      run()
      timer = setInterval(run, pruneEveryMs)
    },
    stop: () => clearInterval(timer),
  }
}

/** Of a request that names no key. */
export const always: Once = { comesAgainWithinMs: 0, check: async () => {}, remember: async () => {} }

function madeBy(row: { fingerprint: string; answer_json: string }, { fingerprint }: RequestKey): Made {
  if (row.fingerprint === fingerprint) return JSON.parse(row.answer_json) as Made
  throw new ParleyError(
    'idempotency_key_reused',
    'This Idempotency-Key was used for another request: use a new one for each.',
    { fields: [{ in: 'header', field: 'idempotency-key', message: 'was used for another request' }] },
  )
}

function left(): ParleyError {
  return new ParleyError('request_timeout', 'The client has left, and asked again meanwhile.')
}

/** Rolls back what turned out to have been done already. */
class Repeated extends Error {
  readonly made: Made
  constructor(made: Made) {
    super('this request was done already')
    this.made = made
  }
}
