import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { fallsSilentAfter, hangs, refuses, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, MAX_RUNNING_PER_PROVIDER: '1' })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

let models = 0

/** A reply that is being made, with a reader who has seen its first word. */
async function running() {
  const model = `runs-${(models += 1)}`
  upstream.behaves(model, fallsSilentAfter(['Once ']))
  const id = await server.begin({ model: `openai/${model}` })
  const { body } = await server.post(`/v1/interactions/${id}/messages`, { content: 'Tell me' })
  const { message, reply } = body
  const { events } = await server.open(`/v1/messages/${reply.id}/events`)
  for (const type of ['reply.started', 'text.delta']) {
    expect((await events.next()).value).toMatchObject({ type })
  }
  return { id, message, reply, events, request: await upstream.asked(model) }
}

describe.each([
  ['the reply', (id: string, replyId: string) => [`/v1/messages/${replyId}`, id]],
  ['its interaction', (id: string) => [`/v1/interactions/${id}`, id]],
])('deleting %s while it is made', (_, pathOf) => {
  test('closes the call to the provider, ends its readers, and gives its place away', async () => {
    const { id, reply, events, request } = await running()
    const [path = ''] = pathOf(id, reply.id)
    expect((await server.request('DELETE', path)).status).toBe(204)

    await request.closed
    expect(await Array.fromAsync(events)).toEqual([])
    expect((await server.get(`/v1/messages/${reply.id}/events`)).status).toBe(404)
    const next = await server.say(await server.begin({ model: 'openai/talks' }), 'Hello')
    expect(next.reply.status).toBe('completed')
  })
})

test('deleting a reply that waits for its turn keeps it from ever being asked for', async () => {
  upstream.behaves('waits', hangs())
  upstream.behaves('never', hangs())
  const id = await server.begin({ model: 'openai/waits' })
  const path = `/v1/interactions/${id}/messages`
  await server.post(path, { content: 'One' })
  const { reply } = (await server.post(path, { content: 'Two', model: 'openai/never' })).body
  const { request } = { request: await upstream.asked('waits') }

  await server.request('DELETE', `/v1/messages/${reply.id}`)
  const [first] = (await server.get(path)).body.data.filter(({ role }: { role: string }) => role === 'AI')
  await server.request('DELETE', `/v1/messages/${first.id}`)
  await request.closed
  const next = await server.say(id, 'Three', { model: 'openai/talks' })
  expect(next.reply).toMatchObject({ status: 'completed', position: 6 })
  expect(upstream.requests.filter(({ model }) => model === 'never')).toEqual([])
})

describe('deleting a question', () => {
  const remove = (id: string) => server.request('DELETE', `/v1/messages/${id}`)

  test('while it is answered cancels the answer, and keeps what was said of it', async () => {
    const { id, message, reply, events, request } = await running()
    expect((await remove(message.id)).status).toBe(204)
    await request.closed
    expect(await Array.fromAsync(events)).toMatchObject([{ type: 'reply.cancelled' }])
    const { data } = (await server.get(`/v1/interactions/${id}/messages`)).body
    expect(data).toMatchObject([{ id: reply.id, status: 'cancelled', text: 'Once ' }])
  })

  test('that waits for its turn keeps it from ever being asked', async () => {
    const { id, reply } = await running()
    const path = `/v1/interactions/${id}/messages`
    const waits = (await server.post(path, { content: 'Two', model: 'openai/unasked' })).body
    await remove(waits.message.id)
    const events = await server.events(`/v1/messages/${waits.reply.id}/events`)
    expect(events.map(({ type }) => type)).toEqual(['reply.cancelled'])

    await server.post(`/v1/messages/${reply.id}/cancel`)
    expect((await server.say(id, 'Three', { model: 'openai/talks' })).reply.status).toBe('completed')
    expect(upstream.requests.filter(({ model }) => model === 'unasked')).toEqual([])
  })

  test('cancels every answer to it, on whatever branch, and none to another one', async () => {
    const { id, message, reply } = await running()
    const { body: again } = await server.post(`/v1/messages/${reply.id}/regenerate`)
    const path = `/v1/interactions/${id}/messages`
    const { body: other } = await server.post(path, { content: 'Two', model: 'openai/talks' })
    await remove(message.id)
    for (const { id: cancelled } of [reply, again.reply])
      expect((await server.get(`/v1/messages/${cancelled}`)).body.status).toBe('cancelled')
    const events = await server.events(`/v1/messages/${other.reply.id}/events`)
    expect(events.at(-1)?.type).toBe('reply.completed')
  })
})

test('deleting a reply that its provider put off lets the next one begin at once', async () => {
  upstream.behaves('put-off', refuses(429, { 'retry-after': '60' }))
  const id = await server.begin()
  const ask = async (model: string) =>
    (await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello', model })).body.reply
  const first = await ask('openai/put-off')
  const { events } = await server.open(`/v1/messages/${first.id}/events`)
  for await (const { type } of events) if (type === 'reply.retrying') break
  const next = await ask('openai/talks')
  // Behind that, which has been looked at when this one is answered.
  await server.say(await server.begin({ model: 'openai/talks' }), 'Hello')
  await server.request('DELETE', `/v1/messages/${first.id}`)
  const told = await server.events(`/v1/messages/${next.id}/events`)
  expect(told.at(-1)?.type).toBe('reply.completed')
})

test('the events of a reply that is deleted just then are not found, which is not the same as expired', async () => {
  const id = await server.begin({ model: 'openai/echo' })
  for (let times = 0; times < 10; times += 1) {
    const { reply } = await server.say(id, 'Hello')
    const path = `/v1/messages/${reply.id}`
    const gone = server.request('DELETE', path)
    const read = Array.from({ length: 15 }, () => server.get(`${path}/events`))
    const statuses = (await Promise.all(read)).map(({ status }) => status)
    expect(statuses.filter((status) => status !== 200 && status !== 404)).toEqual([])
    await gone
  }
})
