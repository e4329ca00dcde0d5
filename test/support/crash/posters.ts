import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { type Json, readEvents } from '../client.ts'
import type { Random } from './random.ts'
import type { Readers } from './readers.ts'
import { isAway, type Target } from './target.ts'
import type { Attempted, Witness } from './witness.ts'

/** These leave open whether the message was stored. */
const uncertain = new Set(['storage_unavailable', 'no_node', 'node_silent'])

export interface PostersOptions {
  posters: number
  /** Interactions in use at a time; each of them by all posters. */
  interactions: number
  /** After so many posts an interaction is left for a new one. */
  postsEach: number
  maxReaders: number
  /** The longest a poster pauses after a post. */
  maxPauseMs: number
  /** A post that takes longer has met a server that hangs. */
  longestMs: number
}

/** Clients that post one message after the other, and remember what they were told. */
export function startPosters(
  target: Target,
  witness: Witness,
  readers: Readers,
  random: Random,
  options: PostersOptions,
) {
  const { posters, interactions, postsEach, maxReaders, maxPauseMs, longestMs } = options
  const inUse = Array.from({ length: interactions }, () => ({ id: begin(), posts: 0 }))
  const stopping = new AbortController()
  let count = 0

  async function begin(): Promise<string> {
    for (;;) {
      const id = await target.begin().catch(() => undefined)
      if (id) return id
      await target.whenUp()
      await turn()
    }
  }

  async function postOnAndOn(poster: number) {
    while (!stopping.signal.aborted) {
      await postOne(poster)
      await pause(random.between(0, maxPauseMs))
      await target.whenUp()
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
    if (!response) return
    const posted: Json = await response.json()
    tell(attempted, posted)
    if (readers.count < maxReaders) readers.follow(posted.reply.id)
  }

  async function postStreaming(attempted: Attempted) {
    const cut = new AbortController()
    const response = await post(attempted, { stream: true }, cut.signal)
    if (!response) return
    const events = readEvents(response)
    const { value: first } = await events.next()
    if (first?.type !== 'message.created') return
    tell(attempted, first.data)
    readers.follow(attempted.told?.replyId ?? '', {
      status: 201,
      headers: response.headers,
      events,
      close: () => cut.abort(),
    })
  }

  /** What was accepted; the status counts as soon as it is there, whatever becomes of the body. */
  async function post(attempted: Attempted, more: object, cut?: AbortSignal): Promise<Response | undefined> {
    const late = AbortSignal.timeout(longestMs)
    const response = await fetch(`${target.url}/v1/interactions/${attempted.interactionId}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ content: attempted.content, ...more }),
      signal: cut ? AbortSignal.any([late, cut]) : late,
    })
    if (response.status === 201) {
      attempted.outcome = 'accepted'
      return response
    }
    const { code }: Json = await response.json()
    if (!uncertain.has(code)) attempted.outcome = 'refused'
    if (!isAway(response.status)) witness.exceptions.push(`a post was answered with ${response.status}`)
    return undefined
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
