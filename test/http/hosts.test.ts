import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawRequest, sendRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer({ ALLOWED_HOSTS: 'Chat.example.com, parley.internal' })
})
afterAll(() => parley.stop())

const ask = (host: string, path = '/v1/models', server = parley) =>
  sendRaw(server.url, rawRequest('GET', path, { headers: { host } }))

describe('a server without a key', () => {
  test.each([
    'localhost',
    'LOCALHOST:8000',
    '127.0.0.1:8000',
    '[::1]:8000',
    'chat.example.com',
    'parley.internal:80',
  ])('answers to its own names: %s', async (host) => expect((await ask(host)).status).toBe(200))

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:8000',
    '192.168.1.7',
    'chat.example.com.',
  ])('does not answer to a name that a page may have pointed at it: %s', async (host) => {
    const { status, body } = await ask(host, '/v1/interactions')
    expect(status).toBe(421)
    expect(body).toMatchObject({ code: 'host_not_allowed', errors: [{ in: 'header', field: 'host' }] })
  })

  test.each(['/docs/', '/openapi.json', '/healthz', '/v1/nothing'])(
    'does so everywhere: %s',
    async (path) => {
      expect((await ask('evil.example', path)).status).toBe(421)
    },
  )

  test('does so in the words of the original API there', async () => {
    const { status, body } = await ask('evil.example', '/interactions/')
    expect([status, body]).toEqual([421, { detail: expect.any(String) }])
  })

  test("does so in OpenAI's words there", async () => {
    const { status, body } = await ask('evil.example', '/v1/models')
    expect([status, body.error.code, body.error.param]).toEqual([421, 'host_not_allowed', 'host'])
  })

  test('does not believe what a proxy would say unless it is told to', async () => {
    const headers = { host: 'evil.example', 'x-forwarded-host': 'localhost' }
    expect((await sendRaw(parley.url, rawRequest('GET', '/v1/models', { headers }))).status).toBe(421)
  })
})

test('a server with a key answers to any name: the key protects it', async () => {
  const guarded = await startServer({ API_KEY: 'a-key-of-16-characters' })
  const { status } = await ask('parley.example', '/healthz', guarded)
  await guarded.stop()
  expect(status).toBe(200)
})
