import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { fallsSilentAfter, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/talks' })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

let models = 0

/** An interaction in which an answer is being made, of which `Once ` was said. */
async function busy(settings: object = {}) {
  const model = `silent-${(models += 1)}`
  upstream.behaves(model, fallsSilentAfter(['Once ']))
  const id = await server.begin(settings)
  const first = (await post(id, { content: 'One', model: `openai/${model}` })).body
  const { events } = await server.open(`/v1/messages/${first.reply.id}/events`)
  for await (const { type } of events) if (type === 'text.delta') break
  return { id, reply: first.reply, request: await upstream.asked(model) }
}

const post = (id: string, body: object) => server.post(`/v1/interactions/${id}/messages`, body)

async function turnsOf(id: string) {
  const { data } = (await server.get(`/v1/interactions/${id}/messages`)).body
  return data.map(({ position, status, text }: Json) => `${position} ${status} ${text}`)
}

describe('a post while an answer is being made', () => {
  test('waits for its turn, if nothing else was said', async () => {
    const { id, reply } = await busy()
    const { status, body } = await post(id, { content: 'Two' })
    expect({ status, reply: body.reply.status }).toEqual({ status: 201, reply: 'queued' })
    await server.post(`/v1/messages/${reply.id}/cancel`)
    const events = await server.events(`/v1/messages/${body.reply.id}/events`)
    expect(events.at(-1)?.type).toBe('reply.completed')
  })

  test('is refused with reject, and nothing is stored', async () => {
    const { id } = await busy()
    const refused = await post(id, { content: 'Two', on_busy: 'reject' })
    expect(refused).toMatchObject({ status: 409, body: { code: 'interaction_busy' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await turnsOf(id)).toEqual(['1 completed One', '2 in_progress '])
  })

  test('cancels it with interrupt, and what was said stays', async () => {
    const { id, request } = await busy()
    const { reply } = await server.say(id, 'Two', { on_busy: 'interrupt' })
    await request.closed
    expect(reply.status).toBe('completed')
    expect((await turnsOf(id)).slice(0, 3)).toEqual([
      '1 completed One',
      '2 cancelled Once ',
      '3 completed Two',
    ])
    const { messages } = (
      await upstream.asked('talks', upstream.requests.filter(({ model }) => model === 'talks').length)
    ).body
    expect(messages.map(({ content }) => content)).toEqual(['One', 'Once ', 'Two'])
  })

  test('takes its place with rollback, also that of those which wait', async () => {
    const { id, reply, request } = await busy()
    await post(id, { content: 'Two' })
    const said = await server.say(id, 'Three', { on_busy: 'rollback' })
    await request.closed
    expect(said.reply.status).toBe('completed')
    expect((await turnsOf(id)).slice(0, 1)).toEqual(['5 completed Three'])
    expect((await server.get(`/v1/messages/${reply.id}`)).status).toBe(404)
  })
})

describe('the policy of an interaction', () => {
  test('holds for every post that names none', async () => {
    const { id } = await busy({ on_busy: 'reject' })
    expect((await post(id, { content: 'Two' })).status).toBe(409)
    expect((await post(id, { content: 'Two', on_busy: 'queue' })).status).toBe(201)
  })

  test('is shown, and can be changed', async () => {
    const { id } = await busy()
    expect((await server.get(`/v1/interactions/${id}`)).body.on_busy).toBe('queue')
    const changed = await server.request('PATCH', `/v1/interactions/${id}`, { on_busy: 'interrupt' })
    expect(changed).toMatchObject({ status: 200, body: { on_busy: 'interrupt' } })
    await server.request('PATCH', `/v1/interactions/${id}`, { title: 'Still' })
    expect((await server.get(`/v1/interactions/${id}`)).body).toMatchObject({
      on_busy: 'interrupt',
      title: 'Still',
    })
  })

  test('must be one of the four', async () => {
    expect(await server.post('/v1/interactions', { on_busy: 'explode' })).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'body', field: 'on_busy' }] },
    })
  })
})

test('of twenty posts that reject at the same time, one is answered', async () => {
  upstream.behaves('one-of-many', fallsSilentAfter(['Once ']))
  const id = await server.begin({ on_busy: 'reject', model: 'openai/one-of-many' })
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => post(id, { content: `${index}` })),
  )
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b)
  expect(statuses).toEqual([201, ...Array.from({ length: 19 }, () => 409)])
  expect(await turnsOf(id)).toHaveLength(2)
})

test('of many streams that take the place of each other, each comes to its end', async () => {
  upstream.behaves('each-other', fallsSilentAfter(['Once ']))
  const id = await server.begin({ on_busy: 'rollback', model: 'openai/each-other' })
  const path = `/v1/interactions/${id}/messages`
  const init = (content: string) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content, stream: true }),
  })
  const streams = Array.from({ length: 12 }, (_, index) => server.events(path, init(`${index}`)))
  const settled = Promise.all(streams)
  const { data } = await until('one left', async () => {
    const { body } = await server.get(path)
    return body.data[1]?.position === 24 ? body : undefined
  })
  await server.post(`/v1/messages/${data[1].id}/cancel`)
  expect(await settled).toHaveLength(12)
})

test('what is only stored is stored, however busy it is', async () => {
  const { id } = await busy({ on_busy: 'reject' })
  expect((await post(id, { content: 'A note', role: 'System' })).status).toBe(201)
})
