import type { Clock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import type { Interaction } from '../interactions/interaction.ts'
import type { CreateOptions, Interactions, InteractionSettings } from '../interactions/interactions.ts'
import type { BranchStore } from '../messages/branch-store.ts'
import type { Message } from '../messages/message.ts'
import type { MessageStore } from '../messages/store.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import { createForkStore } from './fork-store.ts'

/** One transaction copies them all, and holds up others as long. */
export const maxCopied = 10_000

export interface ForkSettings {
  /** The last message that goes with it; else the newest one of the current branch. */
  messageId?: string | undefined
  title?: string | null | undefined
  /** Runs in the transaction before anything is copied. */
  before?: (tx: Transaction) => Promise<void>
  /** What else is to be stored with it, in the same transaction. */
  also?: (tx: Transaction, interaction: Interaction) => Promise<void>
}

/** The way of an interaction up to a message. */
export interface WayUpTo {
  source: Interaction
  branch: number
  position: number
}

/** Makes interactions that begin as others did. */
export function createFork(parts: {
  storage: Storage
  interactions: Pick<Interactions, 'hold' | 'createIn' | 'takePositions'>
  messages: Pick<MessageStore, 'find'>
  branches: Pick<BranchStore, 'pathOf'>
  now: Clock
}) {
  const { storage, interactions, messages, branches, now } = parts
  const store = createForkStore()

  /**
   * A new interaction with the settings of another one, and copies of what was said along one of its ways.
   * Rejects with `not_found` where there is no such interaction of the owner's, `invalid_request` where the message
   * is none of it, `reply_in_progress` where an answer along the way is not there yet, `conflict` where it is too long.
   */
  function fork(ownerId: string, id: string, settings: ForkSettings): Promise<Interaction> {
    return storage.write(async (tx) => {
      await settings.before?.(tx)
      const source = await interactions.hold(tx, ownerId, id)
      const way = { source, ...(await placeOf(tx, ownerId, source, settings.messageId)) }
      if (await hasOpen(tx, way)) throw inProgress()
      const { title = source.title } = settings
      const copy = await copyIn(tx, ownerId, way, { title, metadata: source.metadata })
      if (!copy) throw tooLong()
      await settings.also?.(tx, copy.interaction)
      return copy.interaction
    })
  }

  /** Whether an answer along the way is still to be made. The transaction holds its interaction. */
  async function hasOpen(tx: Transaction, { source, branch, position }: WayUpTo): Promise<boolean> {
    const path = (await branches.pathOf(tx, source.id, branch)) ?? []
    return store.hasOpen(tx, source.id, path, position)
  }

  /**
   * A new interaction that begins as the way goes, and how many messages it begins with; undefined where those would
   * be too many, and then the transaction must end without it. It is answered as the other one, but is named anew.
   */
  async function copyIn(
    tx: Transaction,
    ownerId: string,
    { source, branch, position }: WayUpTo,
    named: Pick<InteractionSettings, 'title' | 'metadata'>,
    options: Pick<CreateOptions, 'keptMs'> = {},
  ): Promise<{ interaction: Interaction; copied: number } | undefined> {
    const { id, role, prompt, sampling, policy } = source
    const model = [source.model, ...source.fallbacks]
    const settings = { ...named, model, role, prompt, sampling, policy }
    const interaction = await interactions.createIn(tx, ownerId, settings, options)
    const path = (await branches.pathOf(tx, id, branch)) ?? []
    const from = { interactionId: id, path, position }
    const copied = await store.copy(tx, from, interaction.id, maxCopied, now())
    if (copied === undefined) return undefined
    await interactions.takePositions(tx, ownerId, interaction.id, copied)
    return { interaction, copied }
  }

  async function placeOf(
    tx: Transaction,
    ownerId: string,
    source: Interaction,
    messageId: string | undefined,
  ): Promise<Pick<Message, 'branch' | 'position'>> {
    if (messageId === undefined) return { branch: source.currentBranch, position: Number.MAX_SAFE_INTEGER }
    const message = await messages.find(tx, ownerId, messageId)
    if (message?.interactionId === source.id) return { branch: message.branch, position: message.position }
    throw new ParleyError('invalid_request', 'message_id is no message of this interaction', {
      fields: [{ in: 'body', field: 'message_id', message: 'is no message of this interaction' }],
    })
  }

  return { fork, hasOpen, copyIn }
}

function inProgress() {
  return new ParleyError('reply_in_progress', 'An answer is still being made; fork it when that has ended.')
}

function tooLong() {
  return new ParleyError(
    'conflict',
    `There are more than ${maxCopied} messages, which is as many as are copied.`,
  )
}
