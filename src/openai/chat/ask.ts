import type { Made, Once } from '../../idempotency/idempotency.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import type { Message } from '../../messages/message.ts'
import type { Replies } from '../../replies/replies.ts'
import { optionsOf, saidIn } from './request.ts'
import type { ChatInput } from './schemas.ts'

/** How long an answer that is not to be kept is there for a client that lost its connection. */
export const keptMs = 15 * 60_000

/** An answer in the making, and when it goes; null where it is kept. */
export interface Asked {
  reply: Message
  expiresAt: number | null
}

/** Stores what was said as a new interaction, together with the reply that is to come. */
export async function ask(
  { interactions, replies }: { interactions: Interactions; replies: Replies },
  ownerId: string,
  body: ChatInput,
  { remember, comesAgainWithinMs }: Once,
): Promise<Asked> {
  const turn = { said: saidIn(body), wantsReply: true, options: optionsOf(body) }
  replies.mayPost(turn)
  let reply: Message | null = null
  const { expiresAt } = await interactions.create(
    ownerId,
    { model: body.model, metadata: body.metadata ?? {} },
    {
      origin: 'chat_completion',
      ...(!body.store && { keptMs: Math.max(keptMs, comesAgainWithinMs) }),
      also: async (tx, { id }) => {
        const posted = await replies.postIn(tx, ownerId, id, turn)
        reply = posted.reply
        await remember(tx, { interaction: id, reply: posted.reply?.id ?? null })
      },
    },
  )
  if (!reply) throw new Error('a completion was asked for without a reply')
  return { reply, expiresAt }
}

/** What an earlier request of the same key has asked for. It is there for as long again. */
export async function askedBefore(
  { interactions, replies }: { interactions: Interactions; replies: Replies },
  ownerId: string,
  made: Made,
): Promise<Asked> {
  const reply = await replies.find(ownerId, made['reply'] ?? '')
  return { reply, expiresAt: await interactions.renew(ownerId, reply.interactionId, keptMs) }
}
