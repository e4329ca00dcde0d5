import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import { begin, finish, sendChunk, startUpstream } from '../support/upstream.ts'

test('a reader that waits for events behind the end is let go at the end', async () => {
  const upstream = await startUpstream()
  const server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/gated' })
  const gate = Promise.withResolvers<void>()
  upstream.behaves('gated', async (response) => {
    begin(response)
    sendChunk(response, { content: 'Well' })
    await gate.promise
    finish(response)
  })
  const { body } = await server.post(`/v1/interactions/${await server.begin()}/messages`, { content: 'Hi' })

  const reader = await server.open(`/v1/messages/${body.reply.id}/events?after=1000`)
  expect(reader.status).toBe(200)
  gate.resolve()

  expect(await Array.fromAsync(reader.events)).toEqual([])
  await server.stop()
  await upstream.stop()
})
