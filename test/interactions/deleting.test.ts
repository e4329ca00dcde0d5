import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { fallsSilentAfter, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let parley: TestServer
let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/talker' })
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

/** An interaction in which a reply has begun and does not end. */
async function beginLongReply() {
  upstream.behaves('talker', fallsSilentAfter(['One, ']))
  const before = upstream.requests.length
  const id = await parley.begin()
  const { body } = await parley.post(`/v1/interactions/${id}/messages`, { content: 'Count for ever' })
  const asked = await until('asked', () => upstream.requests[before])
  return { id, message: body.message, reply: body.reply, asked }
}

test('a deleted interaction takes its messages, their replies and their events along', async () => {
  const id = await parley.begin({ model: 'builtin/eliza' })
  const { message, reply } = await parley.say(id, 'Hello')
  await parley.request('DELETE', `/v1/interactions/${id}`)
  for (const gone of [
    `/v1/interactions/${id}/messages`,
    `/v1/messages/${message.id}`,
    `/v1/messages/${reply.id}`,
    `/v1/messages/${reply.id}/events`,
  ]) {
    expect((await parley.get(gone)).status, gone).toBe(404)
  }
})

test('an interaction that is deleted while it answers stops the provider and ends its readers', async () => {
  const { id, reply, asked } = await beginLongReply()
  const reader = await parley.open(`/v1/messages/${reply.id}/events`)
  expect((await parley.request('DELETE', `/v1/interactions/${id}`)).status).toBe(204)
  await asked.closed
  const types = (await Array.fromAsync(reader.events)).map(({ type }) => type)
  expect(types.filter((type) => /completed|failed|cancelled/.test(type))).toEqual([])
  expect((await parley.get(`/v1/messages/${reply.id}`)).status).toBe(404)
})

test('a reply that is deleted while it is made stops its provider; the question stays', async () => {
  const { id, message, reply, asked } = await beginLongReply()
  expect((await parley.request('DELETE', `/v1/messages/${reply.id}`)).status).toBe(204)
  await asked.closed
  const { body } = await parley.get(`/v1/interactions/${id}/messages`)
  expect(body.data.map((each: { id: string }) => each.id)).toEqual([message.id])
})

test('an interaction goes on after a reply was deleted, with a place of its own for what follows', async () => {
  const { id, reply } = await beginLongReply()
  await parley.request('DELETE', `/v1/messages/${reply.id}`)
  const next = await parley.say(id, 'And now?', { model: 'builtin/eliza' })
  expect(next.message.position).toBe(3)
  expect(next.reply).toMatchObject({ position: 4, status: 'completed' })
})

test('whoever waits for a reply hears when its interaction is deleted', async () => {
  upstream.behaves('talker', fallsSilentAfter(['One, ']))
  const before = upstream.requests.length
  const id = await parley.begin()
  const waiting = parley.post(`/v1/interactions/${id}/messages`, { content: 'Count', wait_ms: 60_000 })
  await until('asked', () => upstream.requests[before])
  await parley.request('DELETE', `/v1/interactions/${id}`)
  expect(await waiting).toMatchObject({ status: 410, body: { code: 'removed' } })
})
