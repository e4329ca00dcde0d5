import { setImmediate as turn } from 'node:timers/promises'
import type { EventReader, StreamEvent } from '../client.ts'
import type { ServerProcess } from '../process.ts'
import type { Random } from './random.ts'
import type { Reading, Witness } from './witness.ts'

export const endTypes = ['reply.completed', 'reply.failed', 'reply.incomplete', 'reply.cancelled']

export function isEnd({ type }: StreamEvent): boolean {
  return endTypes.includes(type)
}

/** How often a reader leaves of its own accord, for each event. */
const leaves = 0.01

/** Readers that follow a reply to its end, and come back with their last id however often they are cut off. */
export function createReaders(server: ServerProcess, witness: Witness, random: Random) {
  const reading = new Set<Promise<void>>()

  /** Follows `replyId`, first on `begun` where that is open already. */
  function follow(replyId: string, begun?: EventReader): void {
    const seen: Reading = { replyId, events: [], reconnects: 0, closings: 0 }
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
      if (stream?.status === 204) throw new Error(`nothing more of ${seen.replyId}, before its end`)
      if (stream && (await read(stream, seen))) return
      stream = undefined
      seen.reconnects += 1
      await server.whenUp()
      // The system tells of the end of a process a moment after its connections broke.
      await turn()
    }
  }

  async function open({ replyId, events }: Reading) {
    const lastId = events.at(-1)?.id
    const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': String(lastId) }
    const stream = await server.open(`/v1/messages/${replyId}/events`, { headers }).catch(() => undefined)
    // 503: it is stopping.
    if (!stream || stream.status === 503) return undefined
    if (stream.status > 204) throw new Error(`${stream.status} instead of the events of ${replyId}`)
    return stream
  }

  /** Whether the reply has ended. */
  async function read({ events, close }: EventReader, seen: Reading): Promise<boolean> {
    for await (const event of events) {
      if (event.type === 'stream.closing') seen.closings += 1
      if (event.id !== undefined) seen.events.push(event)
      if (random.chance(leaves)) break
    }
    close()
    return seen.events.some(isEnd)
  }

  return {
    follow,
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
