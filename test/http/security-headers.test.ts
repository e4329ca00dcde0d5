import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer()
})
afterAll(() => parley.stop())

const expected: Record<string, RegExp> = {
  'content-security-policy': /^default-src 'self';.*object-src 'none'.*script-src 'self'/,
  'cross-origin-opener-policy': /^same-origin$/,
  'cross-origin-resource-policy': /^same-origin$/,
  'referrer-policy': /^no-referrer$/,
  'x-content-type-options': /^nosniff$/,
  'x-frame-options': /^SAMEORIGIN$/,
  'x-request-id': /^[\w-]{20,60}$/,
}

function check(headers: Headers, where: string) {
  for (const [name, pattern] of Object.entries(expected))
    expect(headers.get(name), `${name} of ${where}`).toMatch(pattern)
  for (const name of ['x-powered-by', 'server', 'strict-transport-security']) {
    expect(headers.get(name), `${name} of ${where}`).toBeNull()
  }
}

test.each([
  '/v1/models',
  '/v1/nothing',
  '/v1/messages/me',
  '/v1/messages/%zz',
  '/v1/models/',
  '/interactions/',
  '/interactions',
  '/interactions/me/messages/',
  '/docs/',
  '/docs/static/swagger-ui.css',
  '/openapi.json',
  '/healthz',
])('every answer tells browsers to be careful: %s', async (path) => {
  check((await parley.get(path)).headers, path)
})

test('a stream does so, too', async () => {
  const { reply } = await parley.say(await parley.begin(), 'Hello')
  const reader = await parley.open(`/v1/messages/${reply.id}/events`)
  await Array.fromAsync(reader.events)
  check(reader.headers, 'the stream')
})
