import type { Clock } from '../../clock.ts'
import { noReply, notFound, ParleyError } from '../../errors.ts'
import type { Changes } from '../../events/changes.ts'
import type { EventLog } from '../../events/log.ts'
import { firstIdAt } from '../../ids.ts'
import type { Job, Jobs } from '../../jobs/jobs.ts'
import { isOpen, type Message } from '../../messages/message.ts'
import type { MessageStore } from '../../messages/store.ts'
import { type PageRequest, readsBackwards } from '../../paging.ts'
import type { Storage, Transaction } from '../../storage/storage.ts'
import type { WaitingReply } from '../open-store.ts'
import { isSaidFor, saidFor } from '../options.ts'
import { tooManyWait } from '../post.ts'
import type { ReplyStore } from '../store.ts'
import type { DeadLetterStore, ReplyFilter, Requeueable } from './store.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** What came of requeueing many. */
export interface Requeued {
  count: number
  hasMore: boolean
  /** Behind which reply to go on. */
  next: string | null
}

/** Has replies made anew that ended without their answer: each keeps its id, its place and its log. */
export function createRequeue(parts: {
  storage: Storage
  store: Pick<ReplyStore, 'hasMoreOpenThan' | 'optionsOf'>
  deadLetters: DeadLetterStore
  messages: Pick<MessageStore, 'find' | 'writeContent'>
  events: Pick<EventLog, 'append' | 'endOf'>
  changes: Pick<Changes, 'hold' | 'record'>
  jobs: Pick<Jobs, 'hurry' | 'waiting'>
  jobOf: (reply: WaitingReply) => Job
  maxQueuedReplies: number
  keptDays: number
  now: Clock
}) {
  const { storage, store, deadLetters, messages, events, changes, jobs, jobOf } = parts
  const { maxQueuedReplies, keptDays, now } = parts

  /**
   * Requeues the reply `id` of an owner and resolves with it. Rejects with `reply_in_progress` where it is open,
   * with `conflict` where it has its answer, was cancelled or is a copy, and with `events_expired` where its log is not
   * kept any more, because its events could not go on in it. `also` is stored in the same transaction.
   */
  function requeue(ownerId: string, id: string, also: (tx: Transaction) => Promise<void>): Promise<Message> {
    return storage.write(async (tx) => {
      const message = await find(tx, ownerId, id)
      if (!message.making) throw noReply()
      if (jobs.waiting >= maxQueuedReplies) throw tooManyWait()
      await changes.hold(tx, [message.interactionId])
      const fits = await hasRoom(tx, message)
      const isReopened = await reopen(tx, id, firstKeptId())
      if (isReopened && !fits) throw tooManyWait()
      if (isReopened && !(await hasQuestion(tx, ownerId, message))) throw answersNothing()
      const requeued = await find(tx, ownerId, id)
      if (!isReopened) throw refusalOf(requeued)
      await also(tx)
      return requeued
    })
  }

  /**
   * Requeues those of an owner's replies that `filter` names and `request` asks for, up to the first that there is no
   * room for. Rejects with `server_busy` where that is the first of all.
   */
  function requeueAll(
    ownerId: string,
    filter: ReplyFilter & { status: Requeueable },
    request: PageRequest,
    also: (tx: Transaction, requeued: Requeued) => Promise<void>,
  ): Promise<Requeued> {
    return storage.write(async (tx) => {
      const room = maxQueuedReplies - jobs.waiting
      if (room <= 0) throw tooManyWait()
      const keptFrom = firstKeptId()
      const limited = { ...request, limit: Math.min(request.limit, room) }
      const page = await deadLetters.listRequeueable(tx, ownerId, filter, limited, keptFrom)
      await changes.hold(
        tx,
        page.data.map(({ interactionId }) => interactionId),
      )
      let count = 0
      let { hasMore, next } = page
      let last: string | undefined
      for (const { id, ...place } of readsBackwards(request) ? page.data.toReversed() : page.data) {
        if (!(await hasRoom(tx, place))) {
          if (last === undefined) throw tooManyWait()
          hasMore = true
          next = last
          break
        }
        const answersSomething = await hasQuestion(tx, ownerId, await find(tx, ownerId, id))
        if (answersSomething && (await reopen(tx, id, keptFrom))) count += 1
        last = id
      }
      const requeued = { count, hasMore, next }
      await also(tx, requeued)
      return requeued
    })
  }

  /** The jobs of an interaction are one job, however many of its replies wait. */
  async function hasRoom(tx: Transaction, place: { interactionId: string; position: number }) {
    return !(await store.hasMoreOpenThan(tx, maxQueuedReplies, place))
  }

  /** Whether something is there that it answers: of what was said for it, or where that is nothing, in front of it. */
  async function hasQuestion(tx: Transaction, ownerId: string, reply: Message): Promise<boolean> {
    const asked = await store.optionsOf(reply.id, tx)
    if (reply.parentId === null || !asked) return false
    return saidFor(asked) === 0 || isSaidFor(await find(tx, ownerId, reply.parentId), reply, asked)
  }

  /** False where it can't be requeued as it is. */
  async function reopen(tx: Transaction, id: string, keptFrom: string): Promise<boolean> {
    const reply = await deadLetters.reopen(tx, id, now())
    if (!reply) return false
    const place = await events.endOf(tx, reply.log)
    if (id < keptFrom) throw expired()
    // What has ended has its end in its log, if it is its own.
    if (place.next === 1) throw isCopy()
    await messages.writeContent(tx, { id, content: [], tokens: 0, now: now() })
    const { interactionId, position } = reply
    const what = { message_id: id, position, after_event: place.next - 1 }
    await changes.record(tx, interactionId, 'reply.requeued', what)
    await events.append(tx, id, [{ type: 'reply.requeued', data: { attempt: reply.attempt } }], place)
    // It is in front of others, which may be put off.
    await jobs.hurry(tx, jobOf({ ...reply, notBefore: null }))
    return true
  }

  /** Events that go soon count as gone: they must not be removed while the reply is opened. */
  function firstKeptId(): string {
    return firstIdAt(now() - keptDays * dayMs + hourMs)
  }

  async function find(tx: Transaction, ownerId: string, id: string): Promise<Message> {
    const message = await messages.find(tx, ownerId, id)
    if (!message) throw notFound('Message')
    return message
  }

  return { requeue, requeueAll }
}

function refusalOf({ making }: Message): ParleyError {
  if (making && isOpen(making.status))
    return new ParleyError('reply_in_progress', 'This reply is still being made.')
  return new ParleyError('conflict', `This reply is ${making?.status}: only what failed can be made again.`)
}

function answersNothing(): ParleyError {
  return new ParleyError('conflict', 'What this reply answered was deleted: there is nothing to answer.')
}

function isCopy(): ParleyError {
  return new ParleyError(
    'conflict',
    'This reply is a copy of another one, and has no events of its own to go on in; ' +
      'regenerate it (POST /v1/messages/{id}/regenerate).',
  )
}

function expired(): ParleyError {
  return new ParleyError(
    'events_expired',
    'The events of this reply are not kept any more, and it cannot go on in them; ask again with a new message.',
  )
}
