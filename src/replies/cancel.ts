import type { Clock } from '../clock.ts'
import { noReply, notFound } from '../errors.ts'
import type { EventLog } from '../events/log.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import type { Message } from '../messages/message.ts'
import type { MessageStore } from '../messages/store.ts'
import { estimateTokens } from '../messages/tokens.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { WaitingReply } from './open-store.ts'
import { toldAttemptIn } from './retelling.ts'
import { addSaid, saidIn } from './said.ts'
import type { ReplyStore } from './store.ts'

/** Ends a reply because a client wants that. */
export function createCancel(parts: {
  storage: Storage
  store: Pick<ReplyStore, 'cancel' | 'setToldAttempt'>
  messages: Pick<MessageStore, 'find' | 'writeContent'>
  events: Pick<EventLog, 'interrupt' | 'whole'>
  jobs: Pick<Jobs, 'hurry'>
  jobOf: (reply: WaitingReply) => Job
  /** Stops what is being made, wherever, once the transaction is durable. */
  halt: (tx: Transaction, replyIds: string[]) => void
  now: Clock
}) {
  const { storage, store, messages, events, jobs, jobOf, halt, now } = parts

  /**
   * Cancels the reply `id` of an owner and resolves with it; what readers were told of it by then stays. One that
   * has ended stays as it is. Rejects with `not_found` where it is no reply of the owner's.
   */
  function cancel(ownerId: string, id: string, also?: (tx: Transaction) => Promise<void>): Promise<Message> {
    return storage.write(async (tx) => {
      const message = await messages.find(tx, ownerId, id)
      if (!message) throw notFound('Message')
      if (!message.making) throw noReply()
      await cancelReply(tx, id)
      await also?.(tx)
      const cancelled = await messages.find(tx, ownerId, id)
      if (!cancelled) throw notFound('Message')
      return cancelled
    })
  }

  /** From here on nobody else writes to the reply: whoever made it finds it ended. */
  async function cancelReply(tx: Transaction, id: string): Promise<void> {
    const cancelled = await store.cancel(tx, id, now())
    if (!cancelled) return
    const { log, attempt } = cancelled
    const data = { status: 'cancelled', attempt, finish_reason: null, usage: null, error: null }
    // First what takes long where much was said: who writes waits for this event, and others with it.
    const told = await events.whole(tx, log)
    const content = saidIn(told)
    await events.interrupt(tx, id, log, { type: 'reply.cancelled', data })
    const added = await events.whole(tx, log, told.at(-1)?.sequence)
    addSaid(content, added)
    const again = toldAttemptIn([...told, ...added], false)
    if (again !== undefined) await store.setToldAttempt(tx, id, again)
    await messages.writeContent(tx, { id, content, tokens: estimateTokens(content), now: now() })
    halt(tx, [id])
    // Who stands behind it would wait for its time.
    if (cancelled.notBefore !== null) await jobs.hurry(tx, jobOf({ ...cancelled, notBefore: null }))
  }

  return { cancel, cancelReply }
}
