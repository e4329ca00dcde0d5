import { ParleyError } from '../errors.ts'
import type { OnBusy } from '../interactions/interaction.ts'
import type { MessageStore } from '../messages/store.ts'
import type { Transaction } from '../storage/storage.ts'
import type { ReplyStore } from './store.ts'

const retryAfterMs = 1_000

/** What becomes of the answers that are not there yet, when the next message is posted. */
export function createBusyPolicy(parts: {
  store: Pick<ReplyStore, 'lockOpen'>
  messages: Pick<MessageStore, 'idAt' | 'remove'>
  /** Ends a reply in the transaction, and keeps what was said of it. */
  cancelReply: (tx: Transaction, id: string) => Promise<void>
  /** Runs before a reply is removed in the transaction. */
  removing: (tx: Transaction, id: string) => Promise<void>
}) {
  const { store, messages, cancelReply, removing } = parts

  /**
   * Makes way in an interaction, as its policy says. The caller holds the interaction, so that no other post comes
   * between. The message `parentId`, which is answered next, stays. Rejects with `interaction_busy` where the policy
   * is to reject, and an answer is open.
   */
  return async function makeWay(
    tx: Transaction,
    interactionId: string,
    { policy, parentId }: { policy: OnBusy; parentId?: string | null | undefined },
  ): Promise<void> {
    if (policy === 'queue') return
    const open = await store.lockOpen(tx, interactionId)
    if (open.length > 0 && policy === 'reject') throw busy()
    for (const { id, branch, position } of open) {
      if (policy === 'interrupt') await cancelReply(tx, id)
      else await removeTurn(tx, interactionId, { id, branch, position, parentId })
    }
  }

  /**
   * The reply, and the question that it was to answer: the position in front of it was taken with its own. One that
   * was made anew begins its branch, and its question stays; so does the one that is answered anew now.
   */
  async function removeTurn(
    tx: Transaction,
    interactionId: string,
    given: { id: string; branch: number; position: number; parentId: string | null | undefined },
  ) {
    const { id, branch, position, parentId } = given
    const questionId = await messages.idAt(tx, interactionId, { branch, position: position - 1 })
    await removing(tx, id)
    await messages.remove(tx, id)
    if (questionId !== undefined && questionId !== parentId) await messages.remove(tx, questionId)
  }
}

export type MakeWay = ReturnType<typeof createBusyPolicy>

function busy() {
  return new ParleyError(
    'interaction_busy',
    'An answer is still being made in this interaction; nothing was stored.',
    { retryAfterMs },
  )
}
