import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json, StreamEvent } from '../support/client.ts'
import { followOn } from '../support/feed.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const dayMs = 86_400_000
let daysLater = 0
let server: TestServer
let message: Json
let reply: Json
let path: string
let events: StreamEvent[]
let changed: string | undefined

beforeAll(async () => {
  server = await startServer({ EVENT_RETENTION_DAYS: '7' }, undefined, () => Date.now() + daysLater * dayMs)
  const said = await server.say(await server.begin(), 'Hello')
  message = said.message
  reply = said.reply
  path = `/v1/messages/${reply.id}/events`
  events = await server.events(path)
  await server.request('PATCH', `/v1/interactions/${message.interaction_id}`, { title: 'Hello' })
  const device = await followOn(server.url, message.interaction_id, '0')
  await device.until(({ type }) => type === 'reply.completed')
  changed = device.seen.at(-1)?.id
  device.close()
})
afterAll(() => server.stop())

async function get(address: string, headers: Record<string, string> = {}) {
  return server.request('GET', address, undefined, headers)
}

describe('a reply that has ended', () => {
  test('is told from its beginning, and the stream is closed', async () => {
    expect(events.length).toBeGreaterThan(2)
    expect(events.at(-1)?.type).toBe('reply.completed')
    expect(await server.events(path)).toEqual(events)
  })

  test('has nothing more for who has seen its end: 204, which ends an EventSource', async () => {
    const last = String(events.length)
    expect((await get(path, { 'last-event-id': last })).status).toBe(204)
    expect((await get(`${path}?after=${last}`)).status).toBe(204)
    expect((await get(`${path}?after=999999999999999`)).status).toBe(204)
  })
})

describe('a place to resume from', () => {
  test.each(['', '-1', '1.5', 'x', '1e3', '0x1', '1 2', '9'.repeat(16), '٣'])(
    'that is no number is refused by its name: %s',
    async (cursor) => {
      const answer = await get(`${path}?after=${encodeURIComponent(cursor)}`)
      expect(answer).toMatchObject({
        status: 422,
        body: { code: 'invalid_request', errors: [{ in: 'query', field: 'after' }] },
      })
    },
  )

  test.each(['', '-1', '1.5', 'x', '9'.repeat(16)])('is refused in the header too: %s', async (cursor) => {
    expect(await get(path, { 'last-event-id': cursor })).toMatchObject({
      status: 422,
      body: { code: 'invalid_request', errors: [{ in: 'header', field: 'last-event-id' }] },
    })
  })

  test('under another name is no place', async () => {
    expect(await get(`${path}?since=1`)).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'query', field: 'since' }] },
    })
  })
})

describe('what has no events', () => {
  test('is a message that a client said', async () => {
    expect(await get(`/v1/messages/${message.id}/events`)).toMatchObject({
      status: 404,
      body: { code: 'not_found', detail: expect.stringContaining('No model made this message') },
    })
  })

  test('is a message that nobody said', async () => {
    const nobody = '00000000-0000-7000-8000-000000000000'
    expect((await get(`/v1/messages/${nobody}/events`)).status).toBe(404)
    expect(await get('/v1/messages/7/events')).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'path', field: 'id' }] },
    })
  })
})

// The last of all: the time does not go back.
describe('events that are older than they are kept', () => {
  test('stay until then', async () => {
    daysLater = 6
    await server.restart()
    expect(await server.events(path)).toEqual(events)
  })

  test('are removed: 410, and the message itself stays', async () => {
    daysLater = 8
    await server.restart()
    await until('removed', async () => (await get(path)).status === 410)
    const changes = `/v1/interactions/${message.interaction_id}/events?after=${changed}`
    await until('removed', async () => {
      // As long as they are there this is a stream without an end.
      const answer = await fetch(server.url + changes)
      await answer.body?.cancel()
      return answer.status === 410
    })
    expect((await get(changes)).body).toMatchObject({ code: 'events_expired' })
    expect((await get(path)).body).toMatchObject({ code: 'events_expired' })
    expect((await get(`${path}?after=${events.length}`)).status).toBe(410)
    expect((await get(`/v1/messages/${reply.id}`)).body).toMatchObject({
      status: 'completed',
      text: reply.text,
    })
  })

  test('leave the messages, and what came of them, to who asks for the whole story', async () => {
    const device = await followOn(server.url, message.interaction_id, '0')
    const seen = await device.until(({ type }) => type === 'message.changed')
    device.close()
    expect(seen.map(({ type }) => type)).toEqual(['message.created', 'message.created', 'message.changed'])
    expect(seen.at(-1)?.data['message']).toMatchObject({ id: reply.id, text: reply.text })
  })
})
