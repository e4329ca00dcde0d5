import { notFound, ParleyError } from '../errors.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Message } from '../messages/message.ts'
import type { MessageStore } from '../messages/store.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import { type createFork, maxCopied, type WayUpTo } from './fork.ts'
import type { createPost, NewTurn, Posted } from './post.ts'

const retryAfterMs = 1_000

/** How something goes on behind a reply. */
export interface GoingOn {
  /** Whether it may be said where the reply stands. */
  isWelcome: boolean
  /** How long an interaction of its own is kept; else for ever. */
  keptMs?: number | undefined
  /** Runs in the transaction before anything is copied. */
  before: (tx: Transaction) => Promise<void>
  /** What is said, where its interaction begins with so many copies; undefined in the interaction of the reply. */
  turnBehind: (copied: number | undefined) => NewTurn
}

/** Says something behind a reply, whatever else is said there. */
export function createPostBehind(parts: {
  storage: Storage
  interactions: Pick<Interactions, 'hold'>
  messages: Pick<MessageStore, 'find' | 'newestId'>
  forking: Pick<ReturnType<typeof createFork>, 'hasOpen' | 'copyIn'>
  posting: Pick<ReturnType<typeof createPost>, 'mayPost' | 'postIn'>
}) {
  const { storage, interactions, messages, forking, posting } = parts

  /**
   * Goes on behind a reply of the owner's. Where it is welcome, and the reply is the newest message, in its
   * interaction. Else in an interaction of its own, which begins with copies of what was said up to the reply: others
   * neither see it nor wait for it. There is nothing to copy yet where an answer on that way is still being made: then
   * it waits in the interaction of the reply, on a branch of its own, which does not become the current one.
   * Rejects with `not_found` where there is no such reply, `conflict` where too much was said before it, or too many
   * wait for it, `reply_in_progress` where an answer is being made and it is not to be kept: it would stand in what is.
   */
  return async function postBehind(
    ownerId: string,
    { id, interactionId }: Pick<Message, 'id' | 'interactionId'>,
    { isWelcome, keptMs, before, turnBehind }: GoingOn,
  ): Promise<Posted> {
    posting.mayPost({ wantsReply: true })
    return storage.write(async (tx) => {
      // Of several at the same time, the first is the newest for the others.
      const source = await interactions.hold(tx, ownerId, interactionId)
      const reply = await messages.find(tx, ownerId, id)
      if (!reply) throw notFound('Message')
      const way = { source, branch: reply.branch, position: reply.position }
      if (isWelcome && (await isEnd(tx, way, id))) return post(source.id, {})
      await before(tx)
      if (await forking.hasOpen(tx, way)) {
        if (keptMs !== undefined) throw inProgress()
        return post(source.id, { parentId: id, isAside: true })
      }
      const copy = await forking.copyIn(tx, ownerId, way, {}, { keptMs })
      if (!copy) throw tooLong()
      return post(copy.interaction.id, {}, copy.copied)

      function post(to: string, place: Pick<NewTurn, 'parentId' | 'isAside'>, copied?: number) {
        // It waits for what it follows, whatever is usual there.
        const turn = { ...turnBehind(copied), ...place, onBusy: 'queue' as const }
        return posting.postIn(tx, ownerId, to, turn)
      }
    })
  }

  /** Whether the way of a message is the current one, and goes no further. */
  async function isEnd(tx: Transaction, { source, branch }: WayUpTo, id: string): Promise<boolean> {
    return branch === source.currentBranch && (await messages.newestId(tx, source.id)) === id
  }
}

function inProgress() {
  return new ParleyError(
    'reply_in_progress',
    'An answer before it is still being made; what is not to be kept can follow it when that has ended.',
    { retryAfterMs },
  )
}

function tooLong() {
  return new ParleyError(
    'conflict',
    `More than ${maxCopied} messages stand before it, which is as many as go along.`,
  )
}
