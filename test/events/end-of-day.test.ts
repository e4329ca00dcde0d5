import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { followOn } from '../support/feed.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

let server: TestServer
let laterMs = 0
const logged: Json[] = []

beforeAll(async () => {
  server = await startServer(
    { EVENT_RETENTION_DAYS: '7' },
    (line) => logged.push(JSON.parse(line)),
    () => Date.now() + laterMs,
  )
})
afterAll(() => server.stop())

test('what is not kept any more goes together: the whole story ends with how things are', async () => {
  const id = await server.begin()
  const { reply } = await server.say(id, 'Hello')
  await server.request('PATCH', `/v1/messages/${reply.id}`, { content: 'Corrected' })

  // As old as it may be, though on PostgreSQL its day is not over, as a rule.
  laterMs = 7 * 86_400_000 + 60_000
  const before = logged.length
  await server.restart()
  await until('looked for', () => logged.slice(before).some(({ msg }) => msg === 'old events removed'))
  await server.request('PATCH', `/v1/interactions/${id}`, { title: 'The end' })

  const device = await followOn(server.url, id, '0')
  const told = await device.until(
    ({ type, data }) => type === 'interaction.changed' && (data['interaction'] as Json).title === 'The end',
  )
  device.close()
  const ofReply = told.filter(
    ({ type, data }) => data['message_id'] === reply.id || (type === 'message.changed' && data['message']),
  )
  expect(ofReply.at(-1)).toMatchObject({
    type: 'message.changed',
    data: { message: { id: reply.id, text: 'Corrected' } },
  })
})
