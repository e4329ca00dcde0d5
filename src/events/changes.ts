import type { Clock } from '../clock.ts'
import { newId } from '../ids.ts'
import type { Log } from '../log.ts'
import type { Notices } from '../storage/notices.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { ChangeData, ChangeType } from './change.ts'
import { createChangeStore, type Head } from './change-store.ts'

/** How often what is watched is compared with the rows: a notice may have been lost. */
const lookMs = 5_000
const pageSize = 500

interface Watched {
  wakes: Set<() => void>
  /** As it was at the last look. */
  head: Head | undefined
}

export type Changes = ReturnType<typeof createChanges>

/**
 * How far interactions are, and who wants to know that they went on. Posts write nothing for that, they are
 * messages; only what is rare has a row. Where nobody watches, going on is a look into an empty map.
 */
export function createChanges(parts: {
  storage: Storage
  now: Clock
  log: Log
  /** How other nodes hear of what happens here, where there are others. */
  notices?: Notices | undefined
}) {
  const { storage, now, log, notices } = parts
  const store = createChangeStore(storage)
  const watched = new Map<string, Watched>()

  /**
   * Keeps that something happened in an interaction, in the transaction in which it does. Holds the interaction:
   * whoever wants its replies or messages, too, does this first. Readers hear of it behind the last message that is
   * there, or behind the one at `position`, if that was not told yet.
   */
  async function record<Type extends ChangeType>(
    tx: Transaction,
    interactionId: string,
    type: Type,
    data: ChangeData[Type],
    position?: number,
  ): Promise<void> {
    const head = await store.raise(tx, interactionId)
    if (!head) return
    await store.insert(tx, {
      id: newId(),
      interaction_id: interactionId,
      sequence: head.change,
      position: position ?? head.position,
      type,
      data_json: JSON.stringify(data),
      created_at: now(),
    })
    goesOn(tx, interactionId)
  }

  /** Tells who watches an interaction, here and elsewhere, once `tx`, with which it goes on or ends, is durable. */
  function goesOn(tx: Transaction, interactionId: string): void {
    storage.afterCommit(tx, () => {
      wake(interactionId)
      notices?.tell('moved', interactionId)
    })
  }

  function wake(interactionId: string) {
    for (const each of watched.get(interactionId)?.wakes ?? []) each()
  }

  /** Has `onNews` called whenever the interaction may have gone on, until the function that it gives is called. */
  function watch(interactionId: string, onNews: () => void): () => void {
    const found = watched.get(interactionId)
    if (found) found.wakes.add(onNews)
    else watched.set(interactionId, { wakes: new Set([onNews]), head: undefined })
    return () => {
      const left = watched.get(interactionId)
      left?.wakes.delete(onNews)
      if (left?.wakes.size === 0) watched.delete(interactionId)
    }
  }

  /** Wakes the watchers of what is not as it was at the last look. */
  async function look(): Promise<void> {
    const ids = [...watched.keys()]
    for (let from = 0; from < ids.length; from += pageSize) {
      const page = ids.slice(from, from + pageSize)
      const heads = await store.headsOf(page)
      for (const id of page) {
        const [each, head] = [watched.get(id), heads.get(id)]
        if (!each || (head && each.head?.position === head.position && each.head.change === head.change))
          continue
        each.head = head
        wake(id)
      }
    }
  }

  const lookSoon = () => {
    look().catch((error: unknown) => log.warn({ err: error }, 'watched interactions could not be read'))
  }
  notices?.listen('moved', wake)
  notices?.onGap(lookSoon)
  const timer = notices && setInterval(lookSoon, lookMs)

  return {
    /** Holds interactions, as `record` does: for who has to take something else before that. */
    hold: store.hold,
    record,
    goesOn,
    watch,
    headOf: store.headOf,
    read: store.read,
    wasRequeued: store.wasRequeued,
    removeBefore: store.removeBefore,
    stop: () => clearInterval(timer),
  }
}
