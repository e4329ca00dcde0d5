import { setImmediate as turn } from 'node:timers/promises'
import type { EventReader, StreamEvent } from '../client.ts'
import type { Random } from './random.ts'
import { isAway, type Target } from './target.ts'
import type { Reading, Witness } from './witness.ts'

export const endTypes = ['reply.completed', 'reply.failed', 'reply.incomplete', 'reply.cancelled']

export function isEnd({ type }: StreamEvent): boolean {
  return endTypes.includes(type)
}

/** How often a reader leaves of its own accord, for each event. */
const usualLeaves = 0.01

/** Readers that follow a reply to its end, and come back with their last id however often they are cut off. */
export function createReaders(
  target: Target,
  witness: Pick<Witness, 'readings' | 'exceptions'>,
  random: Random,
  leaves = usualLeaves,
) {
  const reading = new Set<Promise<void>>()
  const opened = new Set<EventReader>()

  /** Follows `replyId`, first on `begun` where that is open already. */
  function follow(replyId: string, begun?: EventReader): void {
    const seen: Reading = { replyId, events: [], reconnects: 0, closings: 0, isGone: false }
    witness.readings.push(seen)
    const done = readToEnd(seen, begun)
      .catch((error: unknown) => void witness.exceptions.push(`a reader failed: ${String(error)}`))
      .finally(() => reading.delete(done))
    reading.add(done)
  }

  async function readToEnd(seen: Reading, begun?: EventReader) {
    let stream = begun
    for (;;) {
      stream ??= await open(seen)
      if (stream?.status === 404) return void (seen.isGone = true)
      if (stream?.status === 204) throw new Error(`nothing more of ${seen.replyId}, before its end`)
      if (stream && (await read(stream, seen))) return
      stream = undefined
      seen.reconnects += 1
      await target.whenUp()
      // The system tells of the end of a process a moment after its connections broke.
      await turn()
    }
  }

  async function open({ replyId, events }: Reading) {
    const lastId = events.at(-1)?.id
    const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': String(lastId) }
    const stream = await target.open(`/v1/messages/${replyId}/events`, { headers }).catch(() => undefined)
    if (!stream || isAway(stream.status)) return undefined
    if (stream.status > 204 && stream.status !== 404)
      throw new Error(`${stream.status} instead of the events of ${replyId}`)
    return stream
  }

  /** Whether the reply has ended. */
  async function read(stream: EventReader, seen: Reading): Promise<boolean> {
    opened.add(stream)
    for await (const event of stream.events) {
      if (event.type === 'stream.closing') seen.closings += 1
      if (event.id !== undefined) seen.events.push(event)
      if (random.chance(leaves)) break
    }
    stream.close()
    opened.delete(stream)
    return seen.events.some(isEnd)
  }

  return {
    follow,
    /** Breaks every connection on which something is read. */
    cut() {
      for (const stream of opened) stream.close()
    },
    get count() {
      return reading.size
    },
    /** Resolves when every reader has seen the end of its reply, or after `withinMs`. */
    async done(withinMs: number) {
      const late = AbortSignal.timeout(withinMs)
      const isLate = new Promise((resolve) => late.addEventListener('abort', resolve))
      while (reading.size > 0 && !late.aborted) await Promise.race([Promise.all(reading), isLate])
    },
  }
}

export type Readers = ReturnType<typeof createReaders>
