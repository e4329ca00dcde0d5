import { ParleyError } from '../errors.ts'
import type { Changes } from '../events/changes.ts'
import { isAnswered, type OnBusy } from '../interactions/interaction.ts'
import type { MessageStore } from '../messages/store.ts'
import type { Transaction } from '../storage/storage.ts'
import type { ReplyStore } from './store.ts'

const retryAfterMs = 1_000

/** What becomes of the answers that are not there yet, when the next message is posted. */
export function createBusyPolicy(parts: {
  store: Pick<ReplyStore, 'lockOpen'>
  messages: Pick<MessageStore, 'at' | 'remove'>
  changes: Pick<Changes, 'record'>
  /** Ends a reply in the transaction, and keeps what was said of it. */
  cancelReply: (tx: Transaction, id: string) => Promise<void>
  /** Runs before a reply is removed in the transaction. */
  removing: (tx: Transaction, id: string) => Promise<void>
}) {
  const { store, messages, changes, cancelReply, removing } = parts

  /**
   * Makes way in an interaction, as its policy says; `keptId` stays, whatever that is. The caller holds the
   * interaction, so that no other post comes between. Rejects with `interaction_busy` where the policy is to
   * reject, and an answer is open.
   */
  return async function makeWay(
    tx: Transaction,
    interactionId: string,
    policy: OnBusy,
    keptId: string | null = null,
  ): Promise<void> {
    if (policy === 'queue') return
    // What stands beside the conversation is in nobody's way.
    const open = (await store.lockOpen(tx, interactionId)).filter(({ isAside }) => !isAside)
    if (open.length > 0 && policy === 'reject') throw busy()
    for (const { id, branch, position } of open) {
      if (policy === 'interrupt') await cancelReply(tx, id)
      else await removeTurn(tx, interactionId, { id, branch, position }, keptId)
    }
  }

  /**
   * The reply, and what it was to answer: what was said for it, right in front of it. One that was made anew begins
   * its branch, and its question stays.
   */
  async function removeTurn(
    tx: Transaction,
    interactionId: string,
    { id, branch, position }: { id: string; branch: number; position: number },
    keptId: string | null,
  ) {
    await removing(tx, id)
    await messages.remove(tx, id)
    await changes.record(tx, interactionId, 'message.deleted', { message_id: id, position })
    // Only the one in front: what stands before that may be of another turn.
    const before = position - 1
    const said = await messages.at(tx, interactionId, { branch, position: before })
    if (!said || !isAnswered(said.role) || said.id === keptId) return
    await messages.remove(tx, said.id)
    await changes.record(tx, interactionId, 'message.deleted', { message_id: said.id, position: before })
  }
}

function busy() {
  return new ParleyError(
    'interaction_busy',
    'An answer is still being made in this interaction; nothing was stored.',
    { retryAfterMs },
  )
}
