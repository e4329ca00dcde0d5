import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'

async function statusOf(url: string) {
  const response = await fetch(url)
  await response.bytes()
  return response.status
}

test('a browser can open the reference of a server with a key, and nothing else', async () => {
  const server = await startServer({ API_KEY: 'a-key-of-16-chars-or-more' })
  const statuses = async (paths: string[]) =>
    Promise.all(paths.map(async (path) => [path, await statusOf(server.url + path)]))

  const open = ['/docs/', '/docs/static/swagger-ui-bundle.js', '/openapi.json', '/healthz', '/readyz']
  const closed = ['/v1/models', '/v1/interactions', '/interactions/']

  expect(await statuses(open)).toEqual(open.map((path) => [path, 200]))
  expect(await statuses(closed)).toEqual(closed.map((path) => [path, 401]))
  await server.stop()
})

test('the reference works over plain HTTP', async () => {
  const server = await startServer()
  const { headers } = await server.get('/docs/')
  expect(headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests')
  await server.stop()
})
