import type { Clock } from '../clock.ts'
import { notFound, ParleyError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Interaction, Metadata, OnBusy, Role } from '../interactions/interaction.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import { type InputContent, partsOf } from '../messages/content.ts'
import type { PlaceBehind } from '../messages/branching.ts'
import type { Message } from '../messages/message.ts'
import type { MessageStore } from '../messages/store.ts'
import { estimateTokens } from '../messages/tokens.ts'
import type { Models } from '../providers/registry.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { WaitingReply } from './open-store.ts'
import { optionsToJson, type ReplyOptions, withPolicy, withSettings } from './options.ts'
import type { createBusyPolicy } from './busy.ts'
import type { ReplyStore } from './store.ts'

export interface NewMessage {
  role: Role
  content: InputContent
  metadata?: Metadata | undefined
}

/** What is said next in an interaction, and how it is to be answered. */
export interface NewTurn {
  said: NewMessage[]
  /** Whether a model shall answer. */
  wantsReply: boolean
  /** Instead of the interaction's own: one, or who answers and who else. */
  model?: string | string[] | undefined
  /** Accepts a model that nobody serves; its reply then says so. */
  acceptAnyModel?: boolean
  options?: ReplyOptions | undefined
  /** The settings that the interaction has now are kept with the reply, whatever becomes of them. */
  keepsSettings?: boolean
  /** What it follows, null for nothing; else the newest message of the current branch. */
  parentId?: string | null | undefined
  /** Stands beside whatever follows its parent, and neither touches the current branch nor is touched from there. */
  isAside?: boolean | undefined
  /** Instead of the interaction's own. */
  onBusy?: OnBusy | undefined
  /** False for what goes with an interaction that is not kept; else that is kept from now on. */
  isKept?: boolean | undefined
  /** What else is to be stored with it, in the same transaction. */
  also?: (tx: Transaction, posted: Posted) => Promise<void>
}

export interface Posted {
  said: Message[]
  reply: Message | null
  /** What is answered, where that was said before. */
  answered?: Message
}

/** Stores what was said, and the reply that is to come, in one transaction: all is there, in order, or nothing. */
export function createPost(parts: {
  storage: Storage
  store: ReplyStore
  interactions: Pick<Interactions, 'takePositions' | 'keep'>
  messages: Pick<MessageStore, 'insert'>
  models: Pick<Models, 'resolve' | 'resolveAll'>
  jobs: Pick<Jobs, 'enqueue' | 'waiting'>
  jobOf: (reply: WaitingReply) => Job
  placeBehind: PlaceBehind
  makeWay: ReturnType<typeof createBusyPolicy>
  maxQueuedReplies: number
  now: Clock
}) {
  const {
    storage,
    store,
    interactions,
    messages,
    models,
    jobs,
    jobOf,
    makeWay,
    placeBehind,
    maxQueuedReplies,
    now,
  } = parts

  function post(ownerId: string, interactionId: string, turn: NewTurn): Promise<Posted> {
    mayPost(turn)
    return storage.write((tx) => postIn(tx, ownerId, interactionId, turn))
  }

  /** Refuses, before anything is read, what there is no room for. */
  function mayPost({ wantsReply }: Pick<NewTurn, 'wantsReply'>): void {
    if (wantsReply && jobs.waiting >= maxQueuedReplies) throw tooManyWait()
  }

  /** As part of a transaction; the caller has asked whether it may. */
  async function postIn(
    tx: Transaction,
    ownerId: string,
    interactionId: string,
    turn: NewTurn,
  ): Promise<Posted> {
    const count = turn.said.length + (turn.wantsReply ? 1 : 0)
    const taken = await interactions.takePositions(tx, ownerId, interactionId, count)
    if (!taken) throw notFound('Interaction')
    const { interaction, firstPosition } = taken
    // What it was made for comes first, and does not keep it.
    const isLater = firstPosition > 1 && turn.isKept !== false
    if (isLater && interaction.expiresAt !== null) await interactions.keep(tx, interactionId)
    const { parentId, isAside, onBusy = interaction.policy.onBusy } = turn
    const currentBranch = turn.wantsReply
      ? await makeWay(tx, interaction, onBusy, { parentId, firstPosition })
      : interaction.currentBranch
    const branch =
      parentId === undefined
        ? currentBranch
        : await placeBehind(tx, interaction, parentId, firstPosition, isAside)
    const said: Message[] = []
    const nextPlace = (): Place => ({
      interactionId,
      branch,
      position: firstPosition + said.length,
      parentId: said.at(-1)?.id ?? null,
    })
    // In the order of their positions, and SQLite takes one at a time anyway.
    for (const message of turn.said) said.push(await insert(tx, messageAt(nextPlace(), message)))
    const reply = turn.wantsReply ? await queueReply(tx, nextPlace(), turn, interaction) : null
    const posted = { said, reply }
    await turn.also?.(tx, posted)
    return posted
  }

  async function insert(tx: Transaction, message: Message): Promise<Message> {
    const parentId = await messages.insert(tx, message, estimateTokens(message.content))
    return { ...message, parentId }
  }

  function messageAt(place: Place, { role, content, metadata = {} }: NewMessage): Message {
    const at = now()
    return {
      id: newId(),
      ...place,
      role,
      content: partsOf(content),
      metadata,
      createdAt: at,
      updatedAt: at,
      making: null,
    }
  }

  async function queueReply(tx: Transaction, place: Place, turn: NewTurn, usual: Interaction) {
    // Its jobs are one job, however many replies wait: they are counted themselves.
    if (await store.hasMoreOpenThan(tx, maxQueuedReplies, place)) throw tooManyWait()
    const named = answerers(turn, usual)
    const [model = '', ...others] = named
    const reply = await insert(tx, {
      ...messageAt(place, { role: 'AI', content: [] }),
      making: queued(model),
    })
    const given = turn.keepsSettings ? withSettings(turn.options, usual) : turn.options
    const { length: said } = turn.said
    const options = optionsToJson({
      ...withPolicy(given, usual.policy),
      ...(said !== 1 && { said }),
      ...(others.length > 0 && { models: named }),
      ...(turn.isAside && { isAside: true }),
    })
    const { parentId, ...at } = place
    await store.insert(tx, { id: reply.id, ...at, model, options, now: reply.createdAt })
    await jobs.enqueue(tx, jobOf({ interactionId: place.interactionId, model, notBefore: null }))
    return reply
  }

  /**
   * Who may answer, in order, by their full names. Of those that a post names, each must be served by somebody; of
   * the interaction's, which may be old, one: the others are passed over when it is their turn.
   */
  function answerers({ model, acceptAnyModel }: NewTurn, interaction: Interaction): string[] {
    if (model !== undefined && !acceptAnyModel) return models.resolveAll(model).map(({ name }) => name)
    const named = model === undefined ? [interaction.model, ...interaction.fallbacks] : [model].flat()
    const found = new Map(named.map((name) => [name, find(name)]))
    const isServed = [...found.values()].some((name) => name !== undefined)
    if (!isServed && !acceptAnyModel) models.resolve(named[0] ?? '')
    return [...new Set([...found].map(([name, full]) => full ?? name))]
  }

  function find(model: string): string | undefined {
    try {
      return models.resolve(model).name
    } catch {
      return undefined
    }
  }

  return { post, mayPost, postIn }
}

/** Where a message stands; `parentId` as far as that is known without looking. */
type Place = Pick<Message, 'interactionId' | 'branch' | 'position' | 'parentId'>

/** A reply as it was when it was asked for. */
export function asPosted(reply: Message): Message {
  return {
    ...reply,
    content: [],
    metadata: {},
    updatedAt: reply.createdAt,
    making: queued(reply.making?.tried[0]?.model ?? reply.making?.model ?? ''),
  }
}

function queued(model: string): NonNullable<Message['making']> {
  return {
    status: 'queued',
    model,
    tried: [],
    attempt: 0,
    finishReason: null,
    usage: null,
    error: null,
    completedAt: null,
  }
}

/** There is no room for another answer. */
export function tooManyWait(): ParleyError {
  return new ParleyError(
    'server_busy',
    'Too many answers are waiting; nothing was stored. Try again later.',
    {
      retryAfterMs: 5_000,
    },
  )
}
