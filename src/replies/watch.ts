import { noReply, ParleyError, unlessRemoved } from '../errors.ts'
import type { EventLog } from '../events/log.ts'
import { isOpen, type Message } from '../messages/message.ts'
import type { Messages } from '../messages/messages.ts'

/** Looking at a reply while it is made, and afterwards. */
export function createWatch(parts: { messages: Pick<Messages, 'find'>; events: EventLog }) {
  const { messages, events } = parts
  const waiting = new Set<() => void>()

  /**
   * Whether there will be events of the reply behind `after`, or all that will ever be are there. Rejects where it is no reply of the
   * owner's, and with `events_expired` where they are not kept any more.
   */
  async function follow(
    ownerId: string,
    id: string,
    after: number,
  ): Promise<'live' | 'ended' | 'nothing more'> {
    const { making } = await messages.find(ownerId, id)
    if (!making) throw noReply()
    if (isOpen(making.status)) return 'live'
    const [next] = await events.read(id, after, 1)
    if (next) return 'ended'
    const [first] = await events.read(id, 0, 1)
    if (first) return 'nothing more'
    // One that was removed after it was found is not found either.
    await messages.find(ownerId, id)
    throw new ParleyError(
      'events_expired',
      'The events of this reply are not kept any more; read the message itself.',
    )
  }

  /**
   * The message as it is when its reply has ended; at the latest after `waitMs`, when `signal` aborts or the server
   * stops. Rejects with `removed` where it is removed meanwhile.
   */
  async function waitForEnd(
    ownerId: string,
    id: string,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Message> {
    const now = await messages.find(ownerId, id)
    if (!now.making || !isOpen(now.making.status)) return now
    const limit = new AbortController()
    const expire = () => limit.abort()
    const timer = setTimeout(expire, waitMs)
    waiting.add(expire)
    signal.addEventListener('abort', expire, { once: true })
    if (signal.aborted) expire()
    try {
      const following = events.follow(id, 0, limit.signal)
      while (!(await following.next()).done);
    } finally {
      clearTimeout(timer)
      waiting.delete(expire)
      signal.removeEventListener('abort', expire)
    }
    return unlessRemoved(messages.find(ownerId, id))
  }

  /** Lets everyone who waits have the reply as it is: nobody here goes on with it. */
  function endWaiting() {
    for (const expire of waiting) expire()
  }

  return { follow, waitForEnd, events: events.follow, endWaiting }
}
