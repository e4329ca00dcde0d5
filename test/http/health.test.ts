import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer({ API_KEY: 'a-key-of-16-characters' })
})
afterAll(() => parley.stop())

test.each(['/healthz', '/readyz'])('%s says that all is well, to everybody', async (path) => {
  const { status, headers, body } = await parley.request('GET', path, undefined, { authorization: '' })
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(body).toEqual({ status: 'ok' })
})

test.each(['/healthz', '/readyz'])('%s answers to HEAD, which some load balancers send', async (path) => {
  const { status, body } = await parley.request('HEAD', path, undefined, { authorization: '' })
  expect([status, body]).toEqual([200, ''])
})
