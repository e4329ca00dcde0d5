import { isOpen } from '../../messages/message.ts'
import { ParleyError } from '../../errors.ts'
import type { AskedReply, Replies } from '../../replies/replies.ts'
import { openAiId } from '../ids.ts'
import { keptOf } from './asked.ts'
import { statusOf } from './outcome.ts'
import type { CreateRequest } from './request.ts'
import type { Responses } from './responses.ts'
import { eventsOf } from './stream.ts'

/** Requests that may wait for the one under way. */
const maxWaiting = 8

/**
 * The responses that are asked for over one connection: one after the other. What is not to be stored lives as long as
 * the connection does: only over it can be gone on behind it.
 */
export function createSession(parts: {
  ownerId: string
  responses: Pick<Responses, 'create' | 'findMade' | 'delivered'>
  replies: Pick<Replies, 'events' | 'find'>
  /** The request in a message; rejects what is none. */
  read: (message: string) => CreateRequest
  /** Resolves when it was taken. */
  send: (event: object) => Promise<void>
  /** As it is told to the client. */
  explain: (error: unknown) => object
  signal: AbortSignal
}) {
  const { ownerId, responses, replies, read, send, explain, signal } = parts
  /** What was made here and is not to be stored, oldest first. */
  const unstored: AskedReply[] = []
  /** The one of them that can be gone on behind. */
  let last: string | undefined
  let working = Promise.resolve()
  let waiting = 0

  async function receive(message: string): Promise<void> {
    if (waiting >= maxWaiting) {
      await send(explain(new ParleyError('server_busy', 'Too many requests wait on this connection.')))
      return
    }
    waiting += 1
    working = working.then(() => answer(message)).finally(() => (waiting -= 1))
    await working
  }

  async function answer(message: string): Promise<void> {
    if (signal.aborted) return
    const before = last
    let request: CreateRequest | undefined
    try {
      request = read(message)
      await respond(request)
    } catch (error) {
      if (isBehind(request, before)) last = undefined
      await send(explain(error))
    }
  }

  function isBehind(request: CreateRequest | undefined, id: string | undefined): boolean {
    return id !== undefined && request?.previous_response_id === openAiId('resp_', id)
  }

  async function respond(request: CreateRequest): Promise<void> {
    const id = await responses.create(ownerId, request, once, last)
    const made = await responses.findMade(ownerId, id)
    if (keptOf(made.options)?.told.store === false) unstored.push(made)
    for await (const batch of eventsOf(replies, ownerId, made, { after: -1, signal, hasEnded: false })) {
      for (const event of batch) await send(event)
    }
    const { reply } = await responses.findMade(ownerId, id)
    if (isOpen(reply.making.status)) return
    // What failed is no ground to go on from, nor what it stood on.
    if (statusOf(reply.making) === 'failed') last = isBehind(request, last) ? undefined : last
    else last = request.store === false ? id : undefined
  }

  /** Removes what was not to be stored. */
  async function end(): Promise<void> {
    for (const made of unstored.toReversed()) await responses.delivered(ownerId, made)
  }

  return { receive, end }
}

/** Each message of a connection comes once. */
const once = { check: async () => {}, remember: async () => {} }
