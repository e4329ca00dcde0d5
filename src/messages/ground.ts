import type { Transaction } from '../storage/storage.ts'
import type { BranchStore } from './branch-store.ts'
import { covers, type Path, type Place } from './path.ts'
import type { MessageStore } from './store.ts'

/**
 * Tells whether anything stands on a place of a conversation: what comes behind it on its branch, or on one that left
 * there or later; `next` is the way of what is about to be said. The transaction holds the interaction.
 */
export function createGround(parts: {
  store: Pick<MessageStore, 'idBehind'>
  branches: Pick<BranchStore, 'sharedInUse'>
}) {
  const { store, branches } = parts

  return async function isStoodOn(
    tx: Transaction,
    interactionId: string,
    place: Place,
    next: Path = [],
  ): Promise<boolean> {
    if (covers(next, place)) return true
    if ((await store.idBehind(tx, interactionId, place)) !== undefined) return true
    const ways = await branches.sharedInUse(tx, interactionId)
    return ways.some((way) => covers(way, place))
  }
}

export type IsStoodOn = ReturnType<typeof createGround>
