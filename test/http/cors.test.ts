import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { refuses, startUpstream } from '../support/upstream.ts'

const origin = 'https://chat.example.com'
const asksFirst = {
  origin,
  'access-control-request-method': 'PATCH',
  'access-control-request-headers': 'authorization,content-type,last-event-id',
}

function preflight(server: TestServer, headers: Record<string, string> = asksFirst) {
  return server.request('OPTIONS', '/v1/interactions', undefined, headers)
}

describe('a page of another origin', () => {
  let parley: TestServer
  beforeAll(async () => {
    parley = await startServer({
      CORS_ORIGINS: `${origin},http://localhost:5173`,
      API_KEY: 'a-key-of-16-characters',
    })
  })
  afterAll(() => parley.stop())

  const get = (from: string, path = '/v1/models') => parley.request('GET', path, undefined, { origin: from })

  test('may call the API when it is named', async () => {
    for (const named of [origin, 'http://localhost:5173']) {
      const { status, headers } = await get(named)
      expect(status).toBe(200)
      expect(headers.get('access-control-allow-origin')).toBe(named)
      expect(headers.get('access-control-expose-headers')).toContain('x-request-id')
      expect(headers.get('vary')).toContain('Origin')
    }
  })

  test.each([
    'https://evil.example',
    'https://chat.example.com.evil.example',
    'http://chat.example.com',
    'null',
  ])('may not when it is another: %s', async (other) =>
    expect((await get(other)).headers.get('access-control-allow-origin')).toBeNull(),
  )

  test('asks first, without the key, and is told what it may', async () => {
    const { status, headers } = await preflight(parley, { ...asksFirst, authorization: '' })
    expect(status).toBe(204)
    expect(headers.get('access-control-allow-origin')).toBe(origin)
    expect(headers.get('access-control-allow-methods')?.split(', ').toSorted()).toEqual([
      'DELETE',
      'GET',
      'PATCH',
      'POST',
    ])
    expect(headers.get('access-control-allow-headers')).toContain('last-event-id')
  })

  test('can read all that an answer says in headers of ours', async () => {
    const upstream = await startUpstream()
    upstream.behaves('refuses', refuses(400))
    const open = await startServer({ CORS_ORIGINS: origin, OPENAI_BASE_URL: upstream.url })
    const body = { model: 'openai/refuses', messages: [{ role: 'user', content: 'Hi' }] }
    const ask = () =>
      open.request('POST', '/v1/chat/completions', body, { origin, 'idempotency-key': 'once more' })
    await ask()
    const { headers } = await ask()
    await open.stop()
    await upstream.stop()
    const ours = [...headers.keys()].filter((name) => /^(x-(parley|request|should)-|idempotent-)/.test(name))
    expect(ours).toEqual(expect.arrayContaining(['idempotent-replayed', 'x-should-retry', 'x-parley-reply']))
    expect(headers.get('access-control-expose-headers')?.split(', ')).toEqual(expect.arrayContaining(ours))
  })

  test('can read what went wrong, and follow a reply', async () => {
    expect((await get(origin, '/v1/nothing')).headers.get('access-control-allow-origin')).toBe(origin)
    const stranger = await parley.request('GET', '/v1/models', undefined, { origin, authorization: '' })
    expect(stranger.status).toBe(401)
    expect(stranger.headers.get('access-control-allow-origin')).toBe(origin)
    const { reply } = await parley.say(await parley.begin(), 'Hello')
    const reader = await parley.open(`/v1/messages/${reply.id}/events`, { headers: { origin } })
    await Array.fromAsync(reader.events)
    expect(reader.headers.get('access-control-allow-origin')).toBe(origin)
  })
})

test('without CORS_ORIGINS no page of another origin may', async () => {
  const parley = await startServer()
  const { headers } = await parley.request('GET', '/v1/models', undefined, { origin })
  const asked = await preflight(parley)
  await parley.stop()
  expect(headers.get('access-control-allow-origin')).toBeNull()
  expect(asked.status).toBe(405)
  expect(asked.headers.get('access-control-allow-origin')).toBeNull()
})

test('with * any page may', async () => {
  const parley = await startServer({ CORS_ORIGINS: '*' })
  const { headers } = await parley.request('GET', '/v1/models', undefined, { origin })
  await parley.stop()
  expect(headers.get('access-control-allow-origin')).toBe('*')
})
