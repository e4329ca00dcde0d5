import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import { breaksAfter, sends, startUpstream } from '../support/upstream.ts'

const document = readFileSync('docs/protocol.md', 'utf8')

type Fold = (message: unknown, event: { type: string; data: object }) => Record<string, unknown>

async function documentedFold(): Promise<Fold> {
  const [, code = ''] = /```js\n(.*?)```/s.exec(document) ?? []
  const { fold } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { fold: Fold }
  return fold
}

test('a reader that folds the events as docs/protocol.md says has the message in the end', async () => {
  const fold = await documentedFold()
  const upstream = await startUpstream()
  const server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/thinks' })
  const chunks = [
    { delta: { reasoning_content: 'They ask ' } },
    { delta: { reasoning_content: 'about Rome.' } },
    { delta: { content: 'Rome ' } },
    { delta: { content: 'is old.' } },
    { delta: { refusal: 'More I will ' } },
    { delta: { refusal: 'not say.' } },
    { delta: { tool_calls: [{ index: 0, id: 'a', function: { name: 'look', arguments: '{"at"' } }] } },
    { delta: { tool_calls: [{ index: 1, id: 'b', function: { name: 'hear', arguments: '' } }] } },
    {
      delta: { tool_calls: [{ index: 0, function: { arguments: ':"Rome"}' } }] },
      finish_reason: 'tool_calls',
    },
  ]
  const answers = sends(chunks.map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`).join(''))
  upstream.behaves('thinks', sends('data: {"error":{"message":"busy","code":503}}\n\n'), answers)
  upstream.behaves('breaks', breaksAfter(['Half ']), answers)

  const { reply } = await server.say(await server.begin(), 'Tell me about Rome')
  const events = await server.events(`/v1/messages/${reply.id}/events`)
  const folded = events.reduce<Record<string, unknown>>((message, event) => fold(message, event), {})

  expect(reply).toMatchObject({ status: 'completed', attempt: 2, text: 'Rome is old.' })
  expect(reply).toMatchObject(folded)
  expect(folded['content']).toHaveLength(5)

  const { reply: broken } = await server.say(await server.begin(), 'Tell me', { model: 'openai/breaks' })
  const path = `/v1/messages/${broken.id}`
  expect((await server.post(`${path}/requeue`)).body.status).toBe('queued')
  const more = await server.events(`${path}/events`)
  const message = more.reduce<Record<string, unknown>>((before, event) => fold(before, event), {})
  expect((await server.get(path)).body).toMatchObject(message)
  expect(message).toMatchObject({ status: 'completed', content: folded['content'] })
  await server.stop()
  await upstream.stop()
})

test('docs/protocol.md names every type of event', () => {
  const source = readFileSync('src/events/event.ts', 'utf8')
  const [, union = ''] = /export type EventType =\n(.*?)\n\n/s.exec(source) ?? []
  const changes = readFileSync('src/events/change.ts', 'utf8')
  const types = [...`${union} ${changes}`.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, type]) => type)
  expect(types.length).toBeGreaterThan(12)
  expect(types.filter((type) => !document.includes(`\n| \`${type}\` `))).toEqual([])
})
