import { isOpen } from '../../messages/message.ts'
import { ParleyError } from '../../errors.ts'
import { always } from '../../idempotency/idempotency.ts'
import type { AskedReply, Replies } from '../../replies/replies.ts'
import { openAiId } from '../ids.ts'
import { keptOf } from './asked.ts'
import { statusOf } from './outcome.ts'
import type { CreateRequest } from './request.ts'
import type { Responses } from './responses.ts'
import { eventsOf } from './stream.ts'

/** Requests that may wait for the ones under way. */
const maxWaiting = 8

/** Requests that are answered one after the other: those with one `stream_id`, or those without. */
interface Lane {
  streamId: string | undefined
  working: Promise<void>
  waiting: number
  /** The response that can be gone on behind though it is not stored. */
  last: string | undefined
}

/**
 * The responses that are asked for over one connection: in each lane one after the other. What is not to be stored
 * lives as long as the connection does: only over it can be gone on behind it, in any lane.
 */
export function createSession(parts: {
  ownerId: string
  responses: Pick<Responses, 'create' | 'findMade' | 'delivered'>
  replies: Pick<Replies, 'events' | 'find'>
  /** The JSON of a message; rejects what is none. */
  parse: (message: string) => unknown
  /** The request in it; rejects what is none. */
  check: (json: unknown) => CreateRequest
  /** Resolves when it was taken. */
  send: (event: object) => Promise<void>
  /** As it is told to the client. */
  explain: (error: unknown) => object
  signal: AbortSignal
}) {
  const { ownerId, responses, replies, parse, check, send, explain, signal } = parts
  /** What was made here and is not to be stored, oldest first. */
  const unstored: AskedReply[] = []
  const lanes = new Map<string | undefined, Lane>()
  let waiting = 0

  async function receive(message: string): Promise<void> {
    let json: unknown
    let failure: unknown
    try {
      json = parse(message)
    } catch (error) {
      failure = error
    }
    const streamId = streamIdIn(json)
    if (waiting >= maxWaiting) {
      await tell(
        { streamId },
        explain(new ParleyError('server_busy', 'Too many requests wait on this connection.')),
      )
      return
    }
    const lane = laneOf(streamId)
    waiting += 1
    lane.waiting += 1
    lane.working = lane.working.then(() => answer(lane, json, failure)).finally(() => leave(lane))
    await lane.working
  }

  function laneOf(streamId: string | undefined): Lane {
    const lane = lanes.get(streamId) ?? { streamId, working: Promise.resolve(), waiting: 0, last: undefined }
    lanes.set(streamId, lane)
    return lane
  }

  /** A lane that has nothing to go on behind is as good as a new one. */
  function leave(lane: Lane): void {
    waiting -= 1
    lane.waiting -= 1
    if (lane.waiting === 0 && lane.last === undefined) lanes.delete(lane.streamId)
  }

  function tell({ streamId }: Pick<Lane, 'streamId'>, event: object): Promise<void> {
    return send(streamId === undefined ? event : { ...event, stream_id: streamId })
  }

  async function answer(lane: Lane, json: unknown, failure: unknown): Promise<void> {
    if (signal.aborted) return
    let request: CreateRequest | undefined
    try {
      if (failure !== undefined) throw failure
      request = check(json)
      await respond(lane, request)
    } catch (error) {
      forget(request)
      await tell(lane, explain(error))
    }
  }

  async function respond(lane: Lane, request: CreateRequest): Promise<void> {
    // Each message of a connection comes once.
    const id = await responses.create(ownerId, request, always, unstoredBefore(request))
    const made = await responses.findMade(ownerId, id)
    if (keptOf(made.options)?.told.store === false) unstored.push(made)
    for await (const batch of eventsOf(replies, ownerId, made, { after: -1, signal, hasEnded: false })) {
      for (const event of batch) await tell(lane, event)
    }
    const { reply } = await responses.findMade(ownerId, id)
    if (isOpen(reply.making.status)) return
    // What failed is no ground to go on from, nor what it stood on.
    if (statusOf(reply.making) === 'failed') forget(request)
    else lane.last = request.store === false ? id : undefined
  }

  /** The response that is gone on behind, if that is one of those. */
  function unstoredBefore({ previous_response_id: previous }: CreateRequest): string | undefined {
    const lasts = [...lanes.values()].flatMap(({ last }) => (last === undefined ? [] : [last]))
    return lasts.find((id) => previous === openAiId('resp_', id))
  }

  function forget(request: CreateRequest | undefined): void {
    const id = request && unstoredBefore(request)
    for (const lane of lanes.values()) if (id !== undefined && lane.last === id) lane.last = undefined
  }

  /** Removes what was not to be stored. */
  async function end(): Promise<void> {
    for (const made of unstored.toReversed()) await responses.delivered(ownerId, made)
  }

  return { receive, end }
}

/** Also of a request that is refused: whoever asked is to know which. */
function streamIdIn(json: unknown): string | undefined {
  const { stream_id: named } = (typeof json === 'object' && json !== null ? json : {}) as {
    stream_id?: unknown
  }
  return typeof named === 'string' ? named.slice(0, 256) : undefined
}
