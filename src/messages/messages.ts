import type { Clock } from '../clock.ts'
import { notFound, ParleyError } from '../errors.ts'
import type { Metadata, Role } from '../interactions/interaction.ts'
import type { Page, PageRequest } from '../paging.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import { type ContentPart, type InputContent, misplacedParts, partsOf } from './content.ts'
import { isOpen, type Message } from './message.ts'
import { createMessageStore } from './store.ts'
import { estimateTokens } from './tokens.ts'

export type Messages = ReturnType<typeof createMessages>

/** The verbs of messages, but for posting, which also starts a reply. Each finds through the owner. */
export function createMessages(parts: {
  storage: Storage
  now: Clock
  /** Runs in the transaction that removes a message, before it is gone. */
  onRemove: (tx: Transaction, messageId: string) => Promise<void>
}) {
  const { storage, now, onRemove } = parts
  const store = createMessageStore(storage)

  async function find(ownerId: string, id: string): Promise<Message> {
    const message = await store.find(storage.db, ownerId, id)
    if (!message) throw notFound('Message')
    return message
  }

  /** The messages of an interaction, by position. The caller has found the interaction through its owner. */
  async function list(interactionId: string, request: PageRequest): Promise<Page<Message>> {
    const page = await store.list(interactionId, request)
    if (typeof page === 'object') return page
    throw new ParleyError('invalid_request', `${page} is no message of this interaction`, {
      fields: [{ in: 'query', field: page, message: 'is no message of this interaction' }],
    })
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

  /** The same; `corrected` says what it is to be, seeing it as it is now. Of any part: it was said already. */
  async function correct(
    ownerId: string,
    id: string,
    corrected: (message: Message) => Partial<Pick<Message, 'content' | 'metadata'>>,
  ): Promise<Message> {
    return storage.write(async (tx) => {
      const message = await store.find(tx, ownerId, id)
      if (!message) throw notFound('Message')
      if (message.making && isOpen(message.making.status)) {
        throw new ParleyError(
          'reply_in_progress',
          'This reply is still being made; change it when it has ended.',
        )
      }
      const changed = { ...message, ...corrected(message), updatedAt: now() }
      await store.update(tx, changed, estimateTokens(changed.content))
      return changed
    })
  }

  /** Removes a message; what is left keeps its positions. */
  async function remove(ownerId: string, id: string): Promise<void> {
    await storage.write(async (tx) => {
      if (!(await store.find(tx, ownerId, id))) throw notFound('Message')
      await onRemove(tx, id)
      await store.remove(tx, id)
    })
  }

  return { find, list, firstMade, change, correct, remove }
}

/** Refuses parts that are not for this role to say. */
function mustFit(role: Role, content: ContentPart[]): void {
  const fields = misplacedParts(role, content).map(
    ({ path, message }) => ({ in: 'body', field: path, message }) as const,
  )
  const [first] = fields
  if (first) throw new ParleyError('invalid_request', `${first.field}: ${first.message}`, { fields })
}
