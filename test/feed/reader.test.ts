import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Change } from '../../src/events/change.ts'
import type { ReplyEvent } from '../../src/events/event.ts'
import { createFollowers } from '../../src/events/followers.ts'
import { type Cursor, parseCursor } from '../../src/feed/cursor.ts'
import { createPlace, maxNear } from '../../src/feed/place.ts'
import { readFeed } from '../../src/feed/reader.ts'
import type { FeedEvent } from '../../src/feed/event.ts'
import type { Message } from '../../src/messages/message.ts'
import { until } from '../support/until.ts'

interface Made {
  message: Message
  log: ReplyEvent[]
}

/** An interaction in memory, in which a random hand does what may be done. */
function createStory() {
  const made: Made[] = []
  const changes: Change[] = []
  const wakes = new Set<() => void>()
  const logOf = (id: string) => made.find(({ message }) => message.id === id)?.log ?? []
  const followers = createFollowers(
    async (id, after, limit) =>
      logOf(id)
        .filter(({ sequence }) => sequence > after)
        .slice(0, limit),
    async () => true,
  )
  const statusOf = (log: ReplyEvent[]) => (isClosed(log) ? 'failed' : 'queued')

  function isClosed(log: ReplyEvent[]) {
    return log.at(-1)?.type === 'reply.failed'
  }
  function write({ message, log }: Made, type: ReplyEvent['type']) {
    const event = { sequence: log.length + 1, type, data: `{"text":"${log.length + 1}"}` }
    log.push(event)
    followers.publish(message.id, [event])
  }
  const tell = () => wakes.forEach((wake) => wake())

  const moves = {
    post() {
      const position = made.length + 1
      const message = {
        id: `m${position}`,
        position,
        making: { status: 'queued', tried: [] },
      } as unknown as Message
      made.push({ message, log: [] })
      tell()
    },
    write(pick: number) {
      const open = made.filter(({ log }) => !isClosed(log))
      const each = open[pick % open.length]
      if (each) write(each, 'text.delta')
    },
    end(pick: number) {
      const open = made.filter(({ log }) => !isClosed(log))
      const each = open[pick % open.length]
      if (each) write(each, 'reply.failed')
    },
    requeue(pick: number) {
      const ended = made.filter(({ log }) => isClosed(log))
      const each = ended[pick % ended.length]
      if (!each) return
      const { id, position } = each.message
      const data = { message_id: id, position, after_event: each.log.length }
      changes.push({ sequence: changes.length + 1, position: made.length, type: 'reply.requeued', data })
      write(each, 'reply.requeued')
      tell()
    },
  }

  function replies({ after, to, limit }: { after: number; to: number; limit: number }) {
    return made
      .slice(after, to)
      .slice(0, limit)
      .map(({ message, log }) => ({
        position: message.position,
        replyId: message.id,
        isOpen: !isClosed(log),
      }))
  }

  const sources = {
    interactionId: 'story',
    changes: {
      headOf: async () => ({ position: made.length, change: changes.length }),
      read: async (_: string, { after, to, limit }: { after: number; to: number; limit: number }) =>
        changes.slice(after, to).slice(0, limit),
      watch(_: string, onNews: () => void) {
        wakes.add(onNews)
        return () => void wakes.delete(onNews)
      },
      wasRequeued: async (given: { to: number; position: number; afterEvent: number }) =>
        changes
          .slice(0, given.to)
          .some(
            ({ type, data }) =>
              type === 'reply.requeued' &&
              data.position === given.position &&
              data.after_event === given.afterEvent,
          ),
    },
    tail: followers.tail,
    messagesBetween: async ({ after, to, limit }: { after: number; to: number; limit: number }) =>
      made
        .slice(after, to)
        .slice(0, limit)
        .map(
          ({ message, log }) =>
            ({ ...message, making: { status: statusOf(log), tried: [] } }) as unknown as Message,
        ),
    repliesBetween: async (range: { after: number; to: number; limit: number }) => replies(range),
    findMessage: async () => undefined,
    findInteraction: async () => undefined,
  }

  function placeOf({ position, first, sequence, others, change }: Cursor) {
    const place = createPlace({ position, change, first })
    place.found(
      replies({ after: first - 1, to: position, limit: maxNear }),
      maxNear,
      new Map([...others, [first, sequence] as const]),
    )
    for (const [at, told] of others) {
      const [reply] = replies({ after: at - 1, to: at, limit: 1 })
      if (at < first && reply) place.addLate(reply, Number(told))
    }
    return place
  }

  function endAll() {
    for (const each of made) if (!isClosed(each.log)) write(each, 'reply.failed')
  }

  return { made, moves, endAll, sources, placeOf }
}

/** For a long run: `FUZZ_RUNS=5000 npx vitest run test/feed/reader`. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 100)

const move = fc.record({
  what: fc.constantFrom('post', 'post', 'write', 'write', 'write', 'end', 'end', 'requeue', 'cut', 'settle'),
  pick: fc.nat({ max: 40 }),
})
const moves = fc.array(move, { minLength: 10, maxLength: 120 })

test(
  'whatever happens in whatever order, a reader that is cut off anywhere gets each event once',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), moves, async (isCrowded, done) => {
        const story = createStory()
        const told: FeedEvent[] = []
        let stop = () => {}
        let reading = Promise.resolve()
        function read() {
          const abort = new AbortController()
          const cursor = parseCursor(told.at(-1)?.cursor ?? '0.0.1.0') as Cursor
          const feed = readFeed({ ...story.sources, place: story.placeOf(cursor), signal: abort.signal })
          reading = (async () => {
            for await (const batch of feed) {
              // The connection may break in the middle of what was written together.
              for (const event of batch) if (!abort.signal.aborted) told.push(event)
            }
          })()
          stop = () => abort.abort()
        }
        const written = () => story.made.length + story.made.reduce((sum, { log }) => sum + log.length, 0)
        read()
        // More than are read at the same time.
        for (let posts = isCrowded ? maxNear + 4 : 0; posts > 0; posts -= 1) story.moves.post()
        for (const { what, pick } of done) {
          if (what === 'settle') await new Promise(setImmediate)
          else if (what === 'cut') {
            for (let ticks = pick; ticks > 0; ticks -= 1) await Promise.resolve()
            stop()
            await reading
            read()
          } else story.moves[what](pick)
        }
        // What is behind many that wait is told when these have ended.
        story.endAll()
        await until('told of all', () => told.length >= written(), 1_000)
        await new Promise(setImmediate)
        stop()
        await reading

        expect(told).toHaveLength(written())
        const created = told.flatMap((event) => ('message' in event ? event.message.position : []))
        expect(created).toEqual(story.made.map(({ message }) => message.position))
        for (const { message, log } of story.made) {
          const ofLog = told.flatMap((event) =>
            'json' in event && event.replyId === message.id ? event.json : [],
          )
          expect(ofLog).toEqual(log.map(({ data }) => data))
        }
      }),
      { numRuns: runs },
    )
  },
  20_000 + runs * 50,
)
