import type { Clock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import type { Changes } from '../events/changes.ts'
import { newId } from '../ids.ts'
import type { Interaction } from '../interactions/interaction.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Transaction } from '../storage/storage.ts'
import type { BranchStore } from './branch-store.ts'
import type { MessageStore } from './store.ts'
import { pathUpTo } from './path.ts'

/** Of one interaction, beside what came first. */
export const maxBranches = 1_000

/** Finds the branch of what is said behind a message that may not be the newest: there one begins. */
export function createBranching(parts: {
  store: Pick<MessageStore, 'find' | 'idBehind'>
  branches: BranchStore
  interactions: Pick<Interactions, 'moveTo'>
  changes: Pick<Changes, 'record'>
  now: Clock
}) {
  const { store, branches, interactions, changes, now } = parts

  /**
   * The branch of what is said behind the message `parentId` of the interaction, which the transaction holds; null is in front of
   * all. It becomes the interaction's current one; what is said `isAside` is on a branch of its own in any case, and
   * leaves the current one as it is. `position` is that of the message to come.
   * Rejects with `invalid_request` where there is no such message, `conflict` where there are too many branches.
   */
  return async function placeBehind(
    tx: Transaction,
    interaction: Pick<Interaction, 'id' | 'ownerId' | 'currentBranch'>,
    parentId: string | null,
    position: number,
    isAside = false,
  ): Promise<number> {
    const { id, ownerId, currentBranch } = interaction
    const parent = parentId === null ? null : await store.find(tx, ownerId, parentId)
    if (parent !== null && parent?.interactionId !== id) throw noSuchParent()
    const from = { branch: parent?.branch ?? 0, position: parent?.position ?? 0 }
    const isNewest = !isAside && (await store.idBehind(tx, id, from)) === undefined
    const branch = isNewest ? from.branch : await fork(tx, id, from, position)
    if (!isAside && branch !== currentBranch) {
      await interactions.moveTo(tx, id, branch)
      await changes.record(tx, id, 'interaction.changed', {}, position - 1)
    }
    return branch
  }

  async function fork(
    tx: Transaction,
    interactionId: string,
    from: { branch: number; position: number },
    firstPosition: number,
  ): Promise<number> {
    const number = (await branches.count(tx, interactionId)) + 1
    if (number > maxBranches) throw tooMany()
    const path = (await branches.pathOf(tx, interactionId, from.branch)) ?? []
    await branches.insert(tx, {
      id: newId(),
      interactionId,
      number,
      forkPosition: from.position,
      firstPosition,
      shared: pathUpTo(path, from.position),
      createdAt: now(),
    })
    const shared = { fork_position: from.position, first_position: firstPosition }
    const made = { number, parent: from.branch, ...shared }
    // Told in front of its first message, which the positions were taken for.
    await changes.record(tx, interactionId, 'branch.created', made, firstPosition - 1)
    return number
  }
}

export type PlaceBehind = ReturnType<typeof createBranching>

function noSuchParent() {
  return new ParleyError('invalid_request', 'parent_id is no message of this interaction', {
    fields: [{ in: 'body', field: 'parent_id', message: 'is no message of this interaction' }],
  })
}

function tooMany() {
  return new ParleyError(
    'conflict',
    `This interaction has ${maxBranches} branches, which is as many as it may have; fork it to go on.`,
  )
}
