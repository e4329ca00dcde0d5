import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { followOn } from '../support/feed.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let laterMs = 0

beforeAll(async () => {
  // What is done every minute is done when this test says so.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  server = await startServer({}, undefined, () => Date.now() + laterMs)
})
afterAll(async () => {
  await server.stop()
  vi.useRealTimers()
})

test('who follows a conversation that is not kept is told when it goes', async () => {
  const messages = [{ role: 'user', content: 'Hello' }]
  const { headers } = await server.request('POST', '/v1/chat/completions', {
    model: 'builtin/eliza',
    messages,
  })
  const { body: reply } = await server.get(`/v1/messages/${headers.get('x-parley-reply')}`)
  const device = await followOn(server.url, reply.interaction_id)
  await device.until(({ type }) => type === 'stream.opened')
  laterMs = 16 * 60_000
  vi.advanceTimersByTime(60_000)
  const told = await device.until(() => false)
  expect(told).toEqual([
    { id: undefined, type: 'interaction.deleted', data: { interaction_id: reply.interaction_id } },
  ])
})
