import { ParleyError } from '../errors.ts'
import type { Changes } from '../events/changes.ts'
import type { Interaction, OnBusy } from '../interactions/interaction.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { BranchStore } from '../messages/branch-store.ts'
import type { IsStoodOn } from '../messages/ground.ts'
import { type Path, pathUpTo } from '../messages/path.ts'
import type { MessageStore } from '../messages/store.ts'
import type { Transaction } from '../storage/storage.ts'
import type { ReplyStore } from './store.ts'

const retryAfterMs = 1_000

/** What is about to be said, and to be answered. */
interface Coming {
  /** What it follows; undefined is the newest of the current branch. */
  parentId: string | null | undefined
  firstPosition: number
}

type Held = Pick<Interaction, 'id' | 'ownerId' | 'currentBranch'>
type OpenTurn = Awaited<ReturnType<ReplyStore['lockOpen']>>[number]

/** What becomes of the answers that are not there yet, when the next message is posted. */
export function createBusyPolicy(parts: {
  store: Pick<ReplyStore, 'lockOpen'>
  messages: Pick<MessageStore, 'at' | 'find' | 'idBehind' | 'remove'>
  branches: Pick<BranchStore, 'pathOf'>
  isStoodOn: IsStoodOn
  interactions: Pick<Interactions, 'moveTo'>
  changes: Pick<Changes, 'record'>
  /** Ends a reply in the transaction, and keeps what was said of it. */
  cancelReply: (tx: Transaction, id: string) => Promise<void>
  /** Runs before a reply is removed in the transaction. */
  removing: (tx: Transaction, id: string) => Promise<void>
}) {
  const { store, messages, branches, isStoodOn, interactions, changes, cancelReply, removing } = parts

  /**
   * Makes way in an interaction, as its policy says, and resolves with the branch that it is at then. The caller holds
   * the interaction, so that no other post comes between. Rejects with `interaction_busy` where the policy is to
   * reject, and an answer is open.
   */
  return async function makeWay(
    tx: Transaction,
    interaction: Held,
    policy: OnBusy,
    coming: Coming,
  ): Promise<number> {
    const { id, currentBranch } = interaction
    if (policy === 'queue') return currentBranch
    // What stands beside the conversation is in nobody's way.
    const open = (await store.lockOpen(tx, id)).filter(({ isAside }) => !isAside)
    if (open.length === 0) return currentBranch
    if (policy === 'reject') throw busy()
    if (policy === 'interrupt') {
      for (const reply of open) await cancelReply(tx, reply.id)
      return currentBranch
    }
    const next = await wayOf(tx, interaction, coming.parentId)
    // The newest first: it may stand on those before it.
    for (const turn of open.toReversed()) await removeTurn(tx, id, turn, next)
    return coming.parentId === undefined ? back(tx, interaction, coming.firstPosition) : currentBranch
  }

  /** The way to what will be followed. */
  async function wayOf(tx: Transaction, { id, ownerId }: Held, parentId: Coming['parentId']): Promise<Path> {
    const parent = typeof parentId === 'string' ? await messages.find(tx, ownerId, parentId) : undefined
    if (parent?.interactionId !== id) return []
    return pathUpTo((await branches.pathOf(tx, id, parent.branch)) ?? [], parent.position)
  }

  /**
   * The reply, and what was said for it: right in front of it, as far as nothing else stands on that. A reply that
   * something stands on is cancelled instead.
   */
  async function removeTurn(
    tx: Transaction,
    interactionId: string,
    { id, branch, position, said }: OpenTurn,
    next: Path,
  ): Promise<void> {
    if (await isStoodOn(tx, interactionId, { branch, position }, next)) return cancelReply(tx, id)
    await removing(tx, id)
    await remove(tx, interactionId, { id, position })
    for (let at = position - 1; at >= position - said; at -= 1) {
      const place = { branch, position: at }
      const message = await messages.at(tx, interactionId, place)
      if (!message) continue
      if (await isStoodOn(tx, interactionId, place, next)) return
      await remove(tx, interactionId, { id: message.id, position: at })
    }
  }

  async function remove(
    tx: Transaction,
    interactionId: string,
    { id, position }: { id: string; position: number },
  ): Promise<void> {
    await messages.remove(tx, id)
    await changes.record(tx, interactionId, 'message.deleted', { message_id: id, position })
  }

  /** Leaves a way of which nothing is left for the one that it left. */
  async function back(tx: Transaction, { id, currentBranch }: Held, firstPosition: number): Promise<number> {
    let branch = currentBranch
    while (branch !== 0 && (await messages.idBehind(tx, id, { branch, position: 0 })) === undefined) {
      const way = (await branches.pathOf(tx, id, branch)) ?? []
      branch = way.at(-2)?.branch ?? 0
    }
    if (branch !== currentBranch) {
      await interactions.moveTo(tx, id, branch)
      await changes.record(tx, id, 'interaction.changed', {}, firstPosition - 1)
    }
    return branch
  }
}

function busy() {
  return new ParleyError(
    'interaction_busy',
    'An answer is still being made in this interaction; nothing was stored.',
    { retryAfterMs },
  )
}
