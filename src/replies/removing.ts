import type { EventLog } from '../events/log.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'

/** Ends what there is of replies before they are removed, in the transaction that does that. */
export function createRemoving(parts: {
  storage: Storage
  store: Pick<ReplyStore, 'lockOpen' | 'waiting'>
  events: Pick<EventLog, 'removeOf' | 'end'>
  jobs: Pick<Jobs, 'hurry'>
  jobOf: (reply: WaitingReply) => Job
  /** Stops what is being made, wherever, once the transaction is durable. */
  halt: (tx: Transaction, replyIds: string[]) => void
}) {
  const { storage, store, events, jobs, jobOf, halt } = parts

  /** Before a message is removed: its reply, if it is one, must not go on. */
  async function removing(tx: Transaction, messageId: string): Promise<void> {
    await events.removeOf(tx, { column: 'id', value: messageId })
    const reply = await store.waiting(tx, messageId)
    // Who stands behind it would wait for its time.
    if (reply?.notBefore) await jobs.hurry(tx, jobOf({ ...reply, notBefore: null }))
    abandon(tx, [messageId])
  }

  /** Before an interaction is removed: none of its replies may go on. */
  async function removingAll(tx: Transaction, interactionId: string): Promise<void> {
    await events.removeOf(tx, { column: 'interaction_id', value: interactionId })
    const open = await store.lockOpen(tx, interactionId)
    abandon(
      tx,
      open.map(({ id }) => id),
    )
  }

  /** Stops what is being made and ends its readers, once `tx` is durable. */
  function abandon(tx: Transaction, replyIds: string[]) {
    halt(tx, replyIds)
    storage.afterCommit(tx, () => {
      for (const id of replyIds) events.end(id)
    })
  }

  return { removing, removingAll }
}
