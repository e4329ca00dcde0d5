import type { Clock } from '../clock.ts'
import { notFound, ParleyError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Metadata, OnBusy, Role } from '../interactions/interaction.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import { type ContentPart, type InputContent, partsOf } from '../messages/content.ts'
import type { Message } from '../messages/message.ts'
import type { MessageStore } from '../messages/store.ts'
import { estimateTokens } from '../messages/tokens.ts'
import type { Models } from '../providers/registry.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'

export interface NewMessage {
  role: Role
  content: InputContent
  /** Instead of the interaction's own. */
  model?: string | undefined
  metadata?: Metadata | undefined
  /** Instead of the interaction's own. */
  onBusy?: OnBusy | undefined
  /** Whether a model shall answer. */
  wantsReply: boolean
  /** Accepts a model that nobody serves; its reply then says so. */
  acceptAnyModel?: boolean
  /** Runs in the transaction when it holds the interaction, before anything else is done. */
  before?: (tx: Transaction) => Promise<void>
  /** What else is to be stored with it, in the same transaction. */
  also?: (tx: Transaction, posted: Posted) => Promise<void>
}

export interface Posted {
  message: Message
  reply: Message | null
}

/** Stores a message, and the reply that is to come, in one transaction: both are there, in order, or neither. */
export function createPost(parts: {
  storage: Storage
  store: ReplyStore
  interactions: Pick<Interactions, 'takePositions'>
  messages: Pick<MessageStore, 'insert'>
  models: Pick<Models, 'resolve'>
  jobs: Pick<Jobs, 'enqueue' | 'waiting'>
  jobOf: (reply: WaitingReply) => Job
  makeWay: (tx: Transaction, interactionId: string, policy: OnBusy) => Promise<void>
  maxQueuedReplies: number
  now: Clock
}) {
  const { storage, store, interactions, messages, models, jobs, jobOf, makeWay, maxQueuedReplies, now } =
    parts

  return function post(ownerId: string, interactionId: string, given: NewMessage): Promise<Posted> {
    if (given.wantsReply && jobs.waiting >= maxQueuedReplies) throw busy()
    return storage.write(async (tx) => {
      const taken = await interactions.takePositions(tx, ownerId, interactionId, given.wantsReply ? 2 : 1)
      if (!taken) throw notFound('Interaction')
      const { interaction, firstPosition } = taken
      await given.before?.(tx)
      if (given.wantsReply) await makeWay(tx, interactionId, given.onBusy ?? interaction.policy.onBusy)
      const message = said(interactionId, firstPosition, given.role, partsOf(given.content), given.metadata)
      await messages.insert(tx, message, estimateTokens(message.content))
      const done = async (reply: Message | null) => {
        await given.also?.(tx, { message, reply })
        return { message, reply }
      }
      if (!given.wantsReply) return done(null)
      // Its jobs are one job, however many replies wait: they are counted themselves.
      const place = { interactionId, position: firstPosition + 1 }
      if (await store.hasMoreOpenThan(tx, maxQueuedReplies, place)) throw busy()
      const model = resolve(given.model ?? interaction.model, given.acceptAnyModel ?? false)
      return done(await queueReply(tx, interactionId, firstPosition + 1, model))
    })
  }

  function said(
    interactionId: string,
    position: number,
    role: Role,
    content: ContentPart[],
    metadata: Metadata = {},
  ): Message {
    const at = now()
    return {
      id: newId(),
      interactionId,
      position,
      role,
      content,
      metadata,
      createdAt: at,
      updatedAt: at,
      making: null,
    }
  }

  async function queueReply(tx: Transaction, interactionId: string, position: number, model: string) {
    const reply = said(interactionId, position, 'AI', [])
    await messages.insert(tx, reply, 0)
    await store.insert(tx, { id: reply.id, interactionId, position, model, now: reply.createdAt })
    await jobs.enqueue(tx, jobOf({ interactionId, model, notBefore: null }))
    return { ...reply, making: queued(model) }
  }

  function resolve(model: string, acceptAny: boolean): string {
    try {
      return models.resolve(model).name
    } catch (error) {
      if (acceptAny) return model
      throw error
    }
  }
}

/** A reply as it was when it was asked for. */
export function asPosted(reply: Message): Message {
  return {
    ...reply,
    content: [],
    metadata: {},
    updatedAt: reply.createdAt,
    making: queued(reply.making?.model ?? ''),
  }
}

function queued(model: string): NonNullable<Message['making']> {
  return {
    status: 'queued',
    model,
    attempt: 0,
    finishReason: null,
    usage: null,
    error: null,
    completedAt: null,
  }
}

function busy(): ParleyError {
  return new ParleyError(
    'server_busy',
    'Too many answers are waiting; nothing was stored. Try again later.',
    {
      retryAfterMs: 5_000,
    },
  )
}
