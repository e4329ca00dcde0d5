import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type StreamEvent, textOf } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  type Behaviour,
  breaksAfter,
  holdsBack,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const words = Array.from({ length: 12 }, (_, index) => `word${index} `)
let models = 0

/** Where to follow a reply that is being made. */
async function pathOfReply(...behaviours: Behaviour[]) {
  const model = `model-${(models += 1)}`
  upstream.behaves(model, ...behaviours)
  const id = await server.begin({ model: `openai/${model}` })
  const { reply } = (await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })).body
  return `/v1/messages/${reply.id}/events`
}

const following = (id: number) => ({ headers: { 'last-event-id': String(id) } })

/** An answer with a failed try in it, whose pieces are several events: its path and all of its events. */
async function endedReply() {
  // The pause lets each word be committed alone.
  const path = await pathOfReply(breaksAfter([]), says(words, { pauseMs: 10 }))
  const events = await server.events(path)
  expect(events.length).toBeGreaterThan(6)
  return { path, events }
}

describe('a reader', () => {
  test('gets numbered events, from the beginning to one end', async () => {
    const { events } = await endedReply()
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index + 1))
    const types = events.map(({ type }) => type)
    expect(types.slice(0, 3)).toEqual(['reply.started', 'reply.retrying', 'reply.restarted'])
    expect(types.slice(3, -1)).toEqual(types.slice(3, -1).map(() => 'text.delta'))
    expect(types.at(-1)).toBe('reply.completed')
  })

  test('that reconnects with its last id misses nothing and gets nothing twice, wherever it was cut off', async () => {
    const { path, events } = await endedReply()
    for (let seen = 0; seen < events.length; seen += 1) {
      expect(await server.events(path, following(seen))).toEqual(events.slice(seen))
      expect(await server.events(`${path}?after=${seen}`)).toEqual(events.slice(seen))
    }
  })

  test('may be cut off again and again while the answer is made', async () => {
    const path = await pathOfReply(says(words, { pauseMs: 15 }))
    const seen: StreamEvent[] = []
    while (seen.at(-1)?.type !== 'reply.completed') {
      const { events, close } = await server.open(path, following(seen.length))
      for await (const event of events) {
        seen.push(event)
        if (seen.length % 3 === 0) break
      }
      close()
    }
    expect(seen).toEqual(await server.events(path))
  })

  test('sees exactly what every other one sees, however late it comes', async () => {
    const { behaviour, goOn } = holdsBack(['Once '], words)
    const path = await pathOfReply(behaviour)
    const early = await Promise.all(Array.from({ length: 20 }, () => server.open(path)))
    const begun = await Promise.all(
      early.map(async ({ events }) => [(await events.next()).value, (await events.next()).value]),
    )
    goOn()
    const seen = await Promise.all(
      early.map(async ({ events }, reader) => [...(begun[reader] ?? []), ...(await Array.fromAsync(events))]),
    )
    const late = await server.events(path)
    expect(late.at(-1)?.type).toBe('reply.completed')
    for (const events of seen) expect(events).toEqual(late)
  })

  test('that asks for what is not there yet gets it when it comes', async () => {
    const { behaviour, goOn } = holdsBack([], words)
    const path = await pathOfReply(behaviour)
    const reader = await server.open(path, following(2))
    goOn()
    const events = await Array.fromAsync(reader.events)
    expect(events[0]?.id).toBe(3)
    expect(events).toEqual((await server.events(path)).slice(2))
  })

  test('is told by its header where it is, even where the address says something else', async () => {
    const { path, events } = await endedReply()
    expect(await server.events(`${path}?after=1`, following(4))).toEqual(events.slice(4))
  })

  test('gets no event of another reply', async () => {
    const paths = await Promise.all(words.map((word) => pathOfReply(says([word, word], { pauseMs: 5 }))))
    const all = await Promise.all(paths.map((path) => server.events(path)))
    for (const [index, events] of all.entries()) {
      expect(textOf(events)).toBe(`word${index} word${index} `)
    }
  })
})
