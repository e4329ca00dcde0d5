import type { EventLog } from '../events/log.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import type { Message } from '../messages/message.ts'
import type { MessageStore } from '../messages/store.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'

/** Ends replies that must not go on, in the transaction that removes them, or what they answer. */
export function createRemoving(parts: {
  storage: Storage
  store: Pick<ReplyStore, 'lockOpen' | 'waiting'>
  events: Pick<EventLog, 'removeOf' | 'end'>
  messages: Pick<MessageStore, 'acrossFork' | 'idBehind'>
  jobs: Pick<Jobs, 'hurry'>
  jobOf: (reply: WaitingReply) => Job
  /** Stops what is being made, wherever, once the transaction is durable. */
  halt: (tx: Transaction, replyIds: string[]) => void
  /** Ends a reply in the transaction, and keeps what was said of it. */
  cancelReply: (tx: Transaction, id: string) => Promise<void>
}) {
  const { storage, store, events, messages, jobs, jobOf, halt, cancelReply } = parts

  /**
   * Before a message is removed, whose interaction the transaction holds: what is to answer it would answer nothing, or
   * what stands before it.
   */
  async function removingMessage(tx: Transaction, message: Message): Promise<void> {
    for (const id of await openAnswersTo(tx, message)) await cancelReply(tx, id)
    await removing(tx, message.id)
  }

  async function openAnswersTo(tx: Transaction, { id, interactionId, ...place }: Message): Promise<string[]> {
    const open = await store.lockOpen(tx, interactionId)
    if (open.length === 0) return []
    const next = await messages.idBehind(tx, interactionId, place)
    const answers: string[] = []
    for (const reply of open) {
      const isAnswer =
        reply.branch === place.branch
          ? reply.id === next
          : (await messages.acrossFork(tx, { interactionId, ...reply })) === id
      if (isAnswer) answers.push(reply.id)
    }
    return answers
  }

  /** Before a reply is removed: it must not go on. Also before any other message, which has nothing to end. */
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

  return { removing, removingMessage, removingAll }
}
