import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, textOf } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  fallsSilentAfter,
  hangs,
  neverEnds,
  refuses,
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

/** Longer to read than the pause between two commits of them. */
const longEvents = 50_000

const cancel = (id: string) => server.post(`/v1/messages/${id}/cancel`)
let models = 0

async function ask(interactionId: string, model: string): Promise<Json> {
  const path = `/v1/interactions/${interactionId}/messages`
  return (await server.post(path, { content: 'Tell me', model: `openai/${model}` })).body.reply
}

/** A reply that is being made, with a reader who has seen its first words. */
async function running() {
  const model = `runs-${(models += 1)}`
  upstream.behaves(model, fallsSilentAfter(['Once ', 'upon ']))
  const id = await server.begin()
  const reply = await ask(id, model)
  const { events } = await server.open(`/v1/messages/${reply.id}/events`)
  let text = ''
  while (text !== 'Once upon ') text += String((await events.next()).value.data.text ?? '')
  return { id, reply, events, request: await upstream.asked(model) }
}

describe('cancelling a reply that is being made', () => {
  test('closes the call to the provider, keeps what was said, and tells every reader', async () => {
    const { id, reply, events, request } = await running()
    const { status, body } = await cancel(reply.id)
    await request.closed
    expect(status).toBe(200)
    expect(body).toMatchObject({ status: 'cancelled', text: 'Once upon ', attempt: 1, error: null })
    expect(body.completed_at).not.toBeNull()
    expect(await Array.fromAsync(events)).toMatchObject([
      { type: 'reply.cancelled', data: { status: 'cancelled', attempt: 1, usage: null } },
    ])

    const replayed = await server.events(`/v1/messages/${reply.id}/events`)
    expect(replayed.map(({ id: sequence }) => sequence)).toEqual(replayed.map((_, index) => index + 1))
    expect(textOf(replayed)).toBe('Once upon ')
    expect(replayed.at(-1)?.type).toBe('reply.cancelled')
    expect((await server.get(`/v1/messages/${reply.id}`)).body).toEqual(body)
    // What was said belongs to the conversation.
    await server.say(id, 'Go on', { model: 'openai/goes-on' })
    const { messages } = (await upstream.asked('goes-on')).body
    expect(messages.map(({ content }) => content)).toEqual(['Tell me', 'Once upon ', 'Go on'])
  })

  test('twice, or by ten at the same time, is the same as once', async () => {
    const { reply, events } = await running()
    const answers = await Promise.all(Array.from({ length: 10 }, () => cancel(reply.id)))
    const [first] = answers
    expect(first?.body.status).toBe('cancelled')
    for (const { status, body } of answers)
      expect({ status, body }).toEqual({ status: 200, body: first?.body })
    expect(await cancel(reply.id)).toMatchObject({ status: 200, body: first?.body })
    expect((await Array.fromAsync(events)).map(({ type }) => type)).toEqual(['reply.cancelled'])
  })

  test('lets the next one begin', async () => {
    const { id, reply } = await running()
    const next = await ask(id, 'talks')
    await cancel(reply.id)
    const events = await server.events(`/v1/messages/${next.id}/events`)
    expect(events.at(-1)?.type).toBe('reply.completed')
  })
})

test('a long reply can be cancelled while it is told on', async () => {
  upstream.behaves('long', neverEnds(longEvents))
  const reply = await ask(await server.begin(), 'long')
  const { events } = await server.open(`/v1/messages/${reply.id}/events`)
  for await (const { id: sequence = 0 } of events) if (sequence > longEvents) break
  const { status, body } = await cancel(reply.id)
  expect([status, body.status]).toEqual([200, 'cancelled'])
  expect(body.text).toBe(textOf(await server.events(`/v1/messages/${reply.id}/events`)))
})

test('a reply that is cancelled while it waits for its turn is never asked for', async () => {
  upstream.behaves('busy', hangs())
  const id = await server.begin()
  const first = await ask(id, 'busy')
  const waits = await ask(id, 'never')
  const { body } = await cancel(waits.id)
  expect(body).toMatchObject({ status: 'cancelled', content: [], attempt: 0 })
  const events = await server.events(`/v1/messages/${waits.id}/events`)
  expect(events.map(({ type }) => type)).toEqual(['reply.cancelled'])

  await cancel(first.id)
  const next = await server.say(id, 'Hello', { model: 'openai/talks' })
  expect(next.reply.status).toBe('completed')
  expect(upstream.requests.filter(({ model }) => model === 'never')).toEqual([])
})

test('cancelling a reply that its provider put off lets the next one begin at once', async () => {
  upstream.behaves('put-off', refuses(429, { 'retry-after': '60' }))
  const id = await server.begin()
  const first = await ask(id, 'put-off')
  const next = await ask(id, 'talks')
  const { events } = await server.open(`/v1/messages/${first.id}/events`)
  for await (const { type } of events) if (type === 'reply.retrying') break
  await cancel(first.id)
  const told = await server.events(`/v1/messages/${next.id}/events`)
  expect(told.at(-1)?.type).toBe('reply.completed')
})

test('who waits for a reply gets it as it was cancelled', async () => {
  upstream.behaves('slow', fallsSilentAfter(['Well ']))
  const id = await server.begin()
  const said = server.say(id, 'Hello', { model: 'openai/slow' })
  await upstream.asked('slow')
  const [, reply] = (await server.get(`/v1/interactions/${id}/messages`)).body.data
  const { events } = await server.open(`/v1/messages/${reply.id}/events`)
  for await (const { type } of events) if (type === 'text.delta') break
  await cancel(reply.id)
  expect((await said).reply).toMatchObject({ status: 'cancelled', text: 'Well ' })
})

test('what has ended stays as it is', async () => {
  const { reply } = await server.say(await server.begin({ model: 'openai/talks' }), 'Hello')
  expect(await cancel(reply.id)).toMatchObject({ status: 200, body: reply })
})

test('only a reply can be cancelled', async () => {
  const { message } = await server.say(await server.begin({ model: 'openai/talks' }), 'Hello')
  expect(await cancel(message.id)).toMatchObject({ status: 404, body: { code: 'not_found' } })
  expect(await cancel('0199c000-0000-7000-8000-000000000000')).toMatchObject({ status: 404 })
  expect(await cancel('nonsense')).toMatchObject({ status: 422, body: { errors: [{ field: 'id' }] } })
})
