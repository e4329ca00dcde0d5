import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { type Json, readEvents } from '../client.ts'
import type { ServerProcess } from '../process.ts'
import type { Random } from './random.ts'
import type { Readers } from './readers.ts'
import type { Attempted, Witness } from './witness.ts'

/** A post that takes longer has met a server that hangs. */
const longestMs = 15_000

export interface PostersOptions {
  posters: number
  /** Interactions in use at a time; each of them by all posters. */
  interactions: number
  /** After so many posts an interaction is left for a new one. */
  postsEach: number
  maxReaders: number
  /** The longest a poster pauses after a post. */
  maxPauseMs: number
}

/** Clients that post one message after the other, and remember what they were told. */
export function startPosters(
  server: ServerProcess,
  witness: Witness,
  readers: Readers,
  random: Random,
  options: PostersOptions,
) {
  const { posters, interactions, postsEach, maxReaders, maxPauseMs } = options
  const inUse = Array.from({ length: interactions }, () => ({ id: begin(), posts: 0 }))
  const stopping = new AbortController()
  let count = 0

  async function begin(): Promise<string> {
    for (;;) {
      const id = await server.begin().catch(() => undefined)
      if (id) return id
      await server.whenUp()
      await turn()
    }
  }

  async function postOnAndOn(poster: number) {
    while (!stopping.signal.aborted) {
      await postOne(poster)
      await pause(random.between(0, maxPauseMs))
      await server.whenUp()
    }
  }

  async function postOne(poster: number) {
    const place = random.pick(inUse)
    place.posts += 1
    if (place.posts > postsEach) Object.assign(place, { id: begin(), posts: 1 })
    const interactionId = await place.id
    count += 1
    const attempted: Attempted = {
      content: `message ${count} of poster ${poster}`,
      interactionId,
      poster,
      outcome: 'unanswered',
      told: undefined,
    }
    witness.attempted.push(attempted)
    await (random.chance(0.2) ? postStreaming(attempted) : postPlainly(attempted)).catch((error: Error) => {
      // Else the connection broke; what was heard until then is written down.
      if (error.name === 'TimeoutError') witness.exceptions.push(`no answer to ${attempted.content}`)
    })
  }

  async function postPlainly(attempted: Attempted) {
    const response = await post(attempted, { wait_ms: random.chance(0.1) ? 500 : 0 })
    const posted: Json = await response.json()
    if (response.status !== 201) return
    tell(attempted, posted)
    if (readers.count < maxReaders) readers.follow(posted.reply.id)
  }

  async function postStreaming(attempted: Attempted) {
    const response = await post(attempted, { stream: true })
    if (response.status !== 201) return
    const events = readEvents(response)
    const { value: first } = await events.next()
    if (first?.type !== 'message.created') return
    tell(attempted, first.data)
    readers.follow(attempted.told?.replyId ?? '', {
      status: 201,
      headers: response.headers,
      events,
      close() {},
    })
  }

  /** The status counts as soon as it is there, whatever becomes of the body. */
  async function post(attempted: Attempted, more: object): Promise<Response> {
    const response = await fetch(`${server.url}/v1/interactions/${attempted.interactionId}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ content: attempted.content, ...more }),
      signal: AbortSignal.timeout(longestMs),
    })
    hear(attempted, response.status)
    return response
  }

  function hear(attempted: Attempted, status: number) {
    attempted.outcome = status === 201 ? 'accepted' : 'refused'
    // 503: it is stopping.
    if (status !== 201 && status !== 503) witness.exceptions.push(`a post was answered with ${status}`)
  }

  const all = Array.from({ length: posters }, (_, poster) => postOnAndOn(poster))
  return {
    /** Resolves when the last post under way has been answered, or broken off. */
    async stop() {
      stopping.abort()
      await Promise.all(all)
    },
  }
}

function tell(attempted: Attempted, { message, reply }: Json) {
  attempted.told = {
    messageId: message.id,
    position: message.position,
    replyId: reply.id,
    replyPosition: reply.position,
  }
}
