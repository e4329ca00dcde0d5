import type { Clock } from '../clock.ts'
import { notFound, ParleyError } from '../errors.ts'
import type { Changes } from '../events/changes.ts'
import type { Interaction, Metadata } from '../interactions/interaction.ts'
import type { Page, PageRequest } from '../paging.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import { createBranchStore } from './branch-store.ts'
import { type InputContent, mustFit, partsOf } from './content.ts'
import { isOpen, type Message } from './message.ts'
import { createSiblings } from './siblings.ts'
import { createMessageStore } from './store.ts'
import { estimateTokens } from './tokens.ts'

/** An interaction, and a branch of it. */
export type Way = Pick<Interaction, 'id' | 'currentBranch'>

export type Messages = ReturnType<typeof createMessages>

/** The verbs of messages, but for posting, which also starts a reply. Each finds through the owner. */
export function createMessages(parts: {
  storage: Storage
  changes: Pick<Changes, 'record'>
  now: Clock
  /** Runs in the transaction that removes a message, before it is gone. */
  onRemove: (tx: Transaction, messageId: string) => Promise<void>
}) {
  const { storage, changes: told, now, onRemove } = parts
  const store = createMessageStore(storage)
  const branches = createBranchStore(storage)

  async function find(ownerId: string, id: string): Promise<Message> {
    const message = await store.find(storage.db, ownerId, id)
    if (!message) throw notFound('Message')
    return message
  }

  /**
   * The messages along a branch of an interaction (its current one unless another is asked for), by position. The
   * caller has found the interaction through its owner.
   */
  async function list(
    { id, currentBranch }: Way,
    { branch = currentBranch, ...request }: PageRequest & { branch?: number | undefined },
  ): Promise<Page<Message>> {
    const path = await branches.pathOf(storage.db, id, branch)
    if (!path) throw noneOf('branch', 'is no branch of this interaction')
    const page = await store.list(id, path, request)
    if (typeof page === 'object') return page
    throw noneOf(page, 'is no message of this interaction')
  }

  /** What comes right behind a message on its branch. The caller has found that through its owner. */
  function behind({ interactionId, branch, position }: Message): Promise<Message | undefined> {
    return store.messageBehind(interactionId, { branch, position })
  }

  /** The first message of an interaction that a model made, or makes. The caller has found the interaction. */
  function firstMade(interactionId: string): Promise<Message | undefined> {
    return store.firstMade(interactionId)
  }

  /** Corrects what was said, in its place. A reply that is still being made can't be corrected. */
  function change(
    ownerId: string,
    id: string,
    changes: { content?: InputContent | undefined; metadata?: Metadata | undefined },
  ): Promise<Message> {
    return correct(ownerId, id, ({ role, content, metadata }) => {
      const changed = changes.content === undefined ? content : partsOf(changes.content)
      if (changes.content !== undefined) mustFit(role, changed)
      return { content: changed, metadata: changes.metadata ?? metadata }
    })
  }

  /**
   * The same; `corrected` says what it is to be, seeing it as it is now. Of any part: it was said already. `also` is
   * what else is to be stored with it, in the same transaction.
   */
  async function correct(
    ownerId: string,
    id: string,
    corrected: (message: Message) => Partial<Pick<Message, 'content' | 'metadata'>>,
    also?: (tx: Transaction) => Promise<void>,
  ): Promise<Message> {
    return storage.write(async (tx) => {
      const found = await findChangeable(tx, ownerId, id)
      await told.record(tx, found.interactionId, 'message.changed', placeOf(found))
      // It may have been changed, or be made again, since this one waited for the interaction.
      const message = await findChangeable(tx, ownerId, id)
      const changed = { ...message, ...corrected(message), updatedAt: now() }
      await store.update(tx, changed, estimateTokens(changed.content))
      await also?.(tx)
      return changed
    })
  }

  async function findChangeable(tx: Transaction, ownerId: string, id: string): Promise<Message> {
    const message = await store.find(tx, ownerId, id)
    if (!message) throw notFound('Message')
    if (message.making && isOpen(message.making.status)) {
      throw new ParleyError(
        'reply_in_progress',
        'This reply is still being made; change it when it has ended.',
      )
    }
    return message
  }

  /** Removes a message; what is left keeps its positions. */
  function remove(ownerId: string, id: string): Promise<void> {
    return storage.write((tx) => removeIn(tx, ownerId, id))
  }

  async function removeIn(tx: Transaction, ownerId: string, id: string): Promise<void> {
    const message = await store.find(tx, ownerId, id)
    if (!message) throw notFound('Message')
    await told.record(tx, message.interactionId, 'message.deleted', placeOf(message))
    await onRemove(tx, id)
    // Another one may have removed it while this one waited for the interaction.
    if (!(await store.remove(tx, id))) throw notFound('Message')
  }

  return {
    find,
    list,
    behind,
    siblingsOf: createSiblings({ storage, store, branches }),
    /** The branches of an interaction but for what came first. */
    branchesOf: branches.list,
    hasBranch: async (tx: Transaction, interactionId: string, branch: number) =>
      (await branches.pathOf(tx, interactionId, branch)) !== undefined,
    firstMade,
    change,
    correct,
    remove,
    removeIn,
  }
}

function noneOf(field: string, message: string) {
  return new ParleyError('invalid_request', `${field} ${message}`, {
    fields: [{ in: 'query', field, message }],
  })
}

function placeOf({ id, position }: Message) {
  return { message_id: id, position }
}
