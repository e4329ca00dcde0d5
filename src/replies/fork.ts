import type { Clock } from '../clock.ts'
import { ParleyError } from '../errors.ts'
import type { Interaction } from '../interactions/interaction.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { BranchStore } from '../messages/branch-store.ts'
import type { Messages } from '../messages/messages.ts'
import type { Transaction } from '../storage/storage.ts'
import { createForkStore } from './fork-store.ts'

/** One transaction copies them all, and holds up others as long. */
const maxMessages = 10_000

export interface ForkSettings {
  /** The last message that goes with it; else the newest one of the current branch. */
  messageId?: string | undefined
  title?: string | null | undefined
  /** Runs in the transaction before anything is copied. */
  before?: (tx: Transaction) => Promise<void>
  /** What else is to be stored with it, in the same transaction. */
  also?: (tx: Transaction, interaction: Interaction) => Promise<void>
}

/** Makes interactions that begin as others did. */
export function createFork(parts: {
  interactions: Pick<Interactions, 'find' | 'create' | 'takePositions'>
  messages: Pick<Messages, 'find'>
  branches: Pick<BranchStore, 'pathOf'>
  now: Clock
}) {
  const { interactions, messages, branches, now } = parts
  const store = createForkStore()

  /**
   * A new interaction with the settings of another one, and copies of what was said along one of its ways.
   * Rejects with `not_found` where there is no such interaction of the owner's, `invalid_request` where the message
   * is none of it, `reply_in_progress` where an answer along the way is not there yet, `conflict` where it is too long.
   */
  return async function fork(ownerId: string, id: string, settings: ForkSettings): Promise<Interaction> {
    const source = await interactions.find(ownerId, id)
    const { branch, position } = await placeOf(ownerId, source, settings.messageId)
    const { title = source.title } = settings
    const { model, role, prompt, sampling, policy, metadata } = source
    return interactions.create(
      ownerId,
      { title, model, role, prompt, sampling, policy, metadata },
      {
        // The source may have been made when another provider was there.
        acceptAnyModel: true,
        async also(tx, created) {
          await settings.before?.(tx)
          const path = await branches.pathOf(tx, id, branch)
          if (!path) return
          if (await store.hasOpen(tx, id, path, position)) throw inProgress()
          const from = { interactionId: id, path, position }
          const copied = await store.copy(tx, from, created.id, maxMessages, now())
          if (copied === undefined) throw tooLong()
          await interactions.takePositions(tx, ownerId, created.id, copied)
          await settings.also?.(tx, created)
        },
      },
    )
  }

  async function placeOf(ownerId: string, source: Interaction, messageId: string | undefined) {
    if (messageId === undefined) return { branch: source.currentBranch, position: Number.MAX_SAFE_INTEGER }
    const message = await messages.find(ownerId, messageId).catch(() => undefined)
    if (message?.interactionId === source.id) return message
    throw new ParleyError('invalid_request', 'message_id is no message of this interaction', {
      fields: [{ in: 'body', field: 'message_id', message: 'is no message of this interaction' }],
    })
  }
}

function inProgress() {
  return new ParleyError('reply_in_progress', 'An answer is still being made; fork it when that has ended.')
}

function tooLong() {
  return new ParleyError(
    'conflict',
    `There are more than ${maxMessages} messages, which is as many as are copied.`,
  )
}
