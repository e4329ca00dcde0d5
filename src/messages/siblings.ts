import type { Storage } from '../storage/storage.ts'
import type { Branch, BranchStore } from './branch-store.ts'
import type { Message } from './message.ts'
import { covers, type Path, pathBehind, type Place } from './path.ts'
import type { MessageStore } from './store.ts'

/** A message that stands where another one does, on a branch of its own. */
export interface Sibling {
  id: string
  branch: number
}

type Next = Awaited<ReturnType<MessageStore['nextBehind']>>
type FindNext = (place: Place) => Promise<Next>

/** Finds what else was said in the place of messages: behind the same message, as far as that is still there. */
export function createSiblings(parts: {
  storage: Storage
  store: Pick<MessageStore, 'nextBehind' | 'placesOf'>
  branches: Pick<BranchStore, 'allOf'>
}) {
  const { storage, store, branches } = parts

  /**
   * Of those of `messages` that have siblings: itself and the others, in the order of their branches but for the
   * one that goes on along the branch of what they follow, which comes first.
   */
  return async function siblingsOf(
    interactionId: string,
    messages: Message[],
  ): Promise<Map<string, Sibling[]>> {
    const all = messages.length > 0 ? await branches.allOf(interactionId) : []
    const found = new Map<string, Sibling[]>()
    if (all.length === 0) return found
    const places = await store.placesOf(
      interactionId,
      messages.flatMap(({ parentId }) => parentId ?? []),
    )
    const next = rememberingNext(interactionId)
    for (const { id, parentId } of messages) {
      const ways = await waysFrom(parentId === null ? undefined : places.get(parentId), all, next)
      if (ways.length > 1 && ways.some((way) => way.id === id)) found.set(id, ways)
    }
    return found
  }

  /** All that stands right behind a message; undefined is in front of all. */
  async function waysFrom(parent: Place | undefined, all: Branch[], next: FindNext): Promise<Sibling[]> {
    const from = parent ?? { branch: 0, position: 0 }
    const along = await next(from)
    const ways = along ? [{ id: along.id, branch: from.branch }] : []
    for (const { number, shared, firstPosition } of all) {
      if (parent && !covers(shared, parent)) continue
      if (await hasAny(pathBehind(shared, from), from, next)) continue
      const first = await next({ branch: number, position: firstPosition - 1 })
      if (first) ways.push({ id: first.id, branch: number })
    }
    return ways
  }

  /** Whether anything is left of a piece of a way that begins behind `from`. */
  async function hasAny(path: Path, from: Place, next: FindNext): Promise<boolean> {
    for (const { branch, upTo } of path) {
      const first = await next({ branch, position: branch === from.branch ? from.position : 0 })
      if (first && first.position <= upTo) return true
    }
    return false
  }

  /** Few messages have more than one way behind them, but every way is compared with each: it is looked at once. */
  function rememberingNext(interactionId: string): FindNext {
    const known = new Map<string, Promise<Next>>()
    return (place) => {
      const key = `${place.branch} ${place.position}`
      const looking = known.get(key) ?? store.nextBehind(storage.db, interactionId, place)
      known.set(key, looking)
      return looking
    }
  }
}
