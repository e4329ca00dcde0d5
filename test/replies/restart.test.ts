import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Json, textOf } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  echoes,
  fallsSilentAfter,
  hangs,
  holdsBack,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.stop())
beforeEach(async () => {
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
})
afterEach(() => server.stop())

let models = 0

/** Posts to a model that behaves so the first time it is asked, and echoes from then on; when it was asked. */
async function postTo(behaviour: Parameters<Upstream['behaves']>[1]) {
  const model = `model-${(models += 1)}`
  upstream.behaves(model, behaviour, echoes())
  const id = await server.begin({ model: `openai/${model}` })
  const { reply } = (await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })).body
  return { id, model, reply, request: await upstream.asked(model) }
}

const eventsOf = (reply: Json) => server.events(`/v1/messages/${reply.id}/events`)
const read = async (reply: Json) => (await server.get(`/v1/messages/${reply.id}`)).body

describe('a server that stops and starts again', () => {
  test('makes the answer that was under way once more, and says that it begins anew', async () => {
    const { reply } = await postTo(fallsSilentAfter(['Half ', 'an ']))
    const { events } = await server.open(`/v1/messages/${reply.id}/events`)
    for await (const { type } of events) if (type === 'text.delta') break

    await server.restart()
    const told = await eventsOf(reply)
    expect(told.map(({ id }) => id)).toEqual(told.map((_, index) => index + 1))
    const types = [...new Set(told.map(({ type }) => type))]
    expect(types).toEqual(['reply.started', 'text.delta', 'reply.restarted', 'reply.completed'])
    expect(told.find(({ type }) => type === 'reply.restarted')?.data).toMatchObject({ attempt: 2 })
    expect(textOf(told)).toBe('You said: Hello')
    expect(await read(reply)).toMatchObject({ status: 'completed', attempt: 2, text: 'You said: Hello' })
  })

  test('closes its calls to providers when it stops', async () => {
    const { request } = await postTo(hangs())
    await server.restart()
    await request.closed
  })

  test('gives a running answer the time that it may have', async () => {
    const { behaviour, goOn } = holdsBack(['Nearly '], ['done'])
    await server.restart({ STOP_GRACE_MS: '10000' })
    const { reply } = await postTo(behaviour)
    const restarted = server.restart()
    goOn()
    await restarted
    expect(await read(reply)).toMatchObject({ status: 'completed', attempt: 1, text: 'Nearly done' })
  })

  test('answers what still waited, in its order', async () => {
    const { id, model } = await postTo(hangs())
    const path = `/v1/interactions/${id}/messages`
    await server.post(path, { content: 'And you?' })
    await server.restart()
    await server.say(id, 'And they?')
    const { data } = (await server.get(path)).body
    expect(data.map(({ text }: Json) => text)).toEqual([
      'Hello',
      'You said: Hello',
      'And you?',
      'You said: And you?',
      'And they?',
      'You said: And they?',
    ])
    expect(upstream.requests.filter((request) => request.model === model)).toHaveLength(4)
  })

  test('does not ask for what was answered before', async () => {
    const { reply } = await postTo(echoes())
    await eventsOf(reply)
    const before = upstream.requests.length
    await server.restart()
    await server.say(await server.begin({ model: 'openai/other' }), 'Hello')
    expect(upstream.requests).toHaveLength(before + 1)
    expect(await read(reply)).toMatchObject({ attempt: 1 })
  })

  test('fails the replies of a provider that it has no more', async () => {
    const { reply } = await postTo(hangs())
    await server.restart({ OPENAI_BASE_URL: '' })
    const told = await eventsOf(reply)
    expect(told.at(-1)).toMatchObject({ type: 'reply.failed', data: { error: { code: 'model_not_found' } } })
  })
})

test('a post that waits for its reply is answered when the server stops, and its reply goes on', async () => {
  const model = `model-${(models += 1)}`
  upstream.behaves(model, hangs(), echoes())
  const id = await server.begin({ model: `openai/${model}` })
  const posted = server.post(`/v1/interactions/${id}/messages`, { content: 'Hello', wait_ms: 120_000 })
  await upstream.asked(model)
  await server.restart()
  const { status, headers, body } = await posted
  const { reply } = body
  expect(status).toBe(201)
  expect(reply).toMatchObject({ text: '' })
  // A kept connection would be waited for.
  expect(headers.get('connection')).toBe('close')
  await eventsOf(reply)
  expect(await read(reply)).toMatchObject({ status: 'completed', text: 'You said: Hello' })
})
