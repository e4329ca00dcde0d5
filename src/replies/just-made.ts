import type { Clock } from '../clock.ts'
import { isNotFound } from '../errors.ts'
import type { Changes } from '../events/changes.ts'
import type { Newness } from '../idempotency/idempotency.ts'
import { isOpen } from '../messages/message.ts'
import type { Messages } from '../messages/messages.ts'

/** OpenAI's clients try again within seconds after they learn that they get no answer. */
export const retriedWithinMs = 120_000

/**
 * Tells whether the client that a message was made for may have lost the answer to that: its reply is open, or it is the
 * last one of its interaction and not long there. Whoever says the same later means it.
 */
export function createJustMade(parts: {
  messages: Pick<Messages, 'find'>
  changes: Pick<Changes, 'headOf'>
  now: Clock
}) {
  const { messages, changes, now } = parts

  return async function justMade(
    ownerId: string,
    id: string | null | undefined,
  ): Promise<Newness | undefined> {
    const message = id ? await find(ownerId, id) : undefined
    if (!message) return undefined
    const { making, interactionId, position, createdAt } = message
    if (making && isOpen(making.status)) return 'open'
    const head = await changes.headOf(interactionId)
    const isNewest = head?.position === position
    if (!isNewest || now() - (making?.completedAt ?? createdAt) >= retriedWithinMs) return undefined
    return making?.status === 'cancelled' ? 'cancelled' : 'ended'
  }

  async function find(ownerId: string, id: string) {
    try {
      return await messages.find(ownerId, id)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}
