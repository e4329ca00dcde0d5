import type { Storage } from '../storage/storage.ts'
import type { Branch, BranchStore } from './branch-store.ts'
import type { Message } from './message.ts'
import type { MessageStore } from './store.ts'

/** A message that stands where another one does, on a branch of its own. */
export interface Sibling {
  id: string
  branch: number
}

/** A point of an interaction where it went more than one way. */
interface Fork {
  /** The branch that was left. */
  branch: number
  position: number
}

/** Finds what else was said in the place of messages. */
export function createSiblings(parts: {
  storage: Storage
  store: Pick<MessageStore, 'idBehind'>
  branches: Pick<BranchStore, 'allOf'>
}) {
  const { storage, store, branches } = parts

  /**
   * Of those of `messages` that have siblings: itself and the others, in the order of their branches but for the
   * one that goes on along the branch that was left, which comes first.
   */
  return async function siblingsOf(
    interactionId: string,
    messages: Message[],
  ): Promise<Map<string, Sibling[]>> {
    const all = messages.length > 0 ? await branches.allOf(interactionId) : []
    const found = new Map<string, Sibling[]>()
    for (const message of messages) {
      for (const fork of forksNear(message, all)) {
        const ways = await waysFrom(interactionId, fork, all)
        if (ways.has(message.id)) found.set(message.id, [...ways.values()])
      }
    }
    return found
  }

  /** The first message of every way that goes on from `fork`, by id. */
  async function waysFrom(interactionId: string, fork: Fork, all: Branch[]): Promise<Map<string, Sibling>> {
    const begun = all.filter((branch) => isFrom(branch, fork))
    const ways = new Map<string, Sibling>()
    for (const from of [fork, ...begun.map((branch) => startOf(branch))]) {
      // Few messages of a page have more than one way behind them, and each way is one look.
      const id = await store.idBehind(storage.db, interactionId, from)
      if (id !== undefined) ways.set(id, { id, branch: from.branch })
    }
    return ways
  }
}

/** The forks that a message may be right behind: the one its branch began at, and the last one before it there. */
function forksNear(message: Message, all: Branch[]): Fork[] {
  const own = all.filter(({ number }) => number === message.branch).map(forkOf)
  const before = all
    .map(forkOf)
    .filter(({ branch, position }) => branch === message.branch && position < message.position)
    .toSorted((a, b) => b.position - a.position)
  return [...own, ...before.slice(0, 1)]
}

/** In front of a branch's first own message. */
function startOf({ number, firstPosition }: Branch): Fork {
  return { branch: number, position: firstPosition - 1 }
}

function forkOf({ shared, forkPosition }: Branch): Fork {
  return { branch: shared.at(-1)?.branch ?? 0, position: forkPosition }
}

function isFrom(branch: Branch, { branch: left, position }: Fork): boolean {
  const fork = forkOf(branch)
  return fork.branch === left && fork.position === position
}
