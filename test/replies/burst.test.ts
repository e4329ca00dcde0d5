import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { sends, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/thinks-aloud' })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

test('thoughts and words that arrive all at once are told in their order', async () => {
  const deltas = Array.from({ length: 60 }, (_, index) => {
    const text = `${index} `
    return index % 2 === 0 ? { reasoning_content: text } : { content: text }
  })
  const chunks = [...deltas.map((delta) => ({ delta })), { delta: {}, finish_reason: 'stop' }]
  const wire = chunks.map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`).join('')
  upstream.behaves('thinks-aloud', sends(`${wire}data: [DONE]\n\n`))

  const id = await server.begin()
  const { reply } = await server.say(id, 'Count')

  const events = await server.events(`/v1/messages/${reply.id}/events`)
  const told = events.filter(({ type }) => type.endsWith('.delta')).map(({ data }) => data['text'])
  expect(told.join('')).toBe(Array.from({ length: 60 }, (_, index) => `${index} `).join(''))
})
