import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { echoes, holdsBack, refuses, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

/** One failure is enough to be left alone. */
const env = { CIRCUIT_FAILURES: '1', MAX_PROVIDER_FAILURES: '2' }

beforeAll(async () => {
  upstream = await startUpstream()
  const names = ['fair', 'shut', 'rare']
  const endpoints = names.map((name) => [name, { base_url: upstream.url, models: [name] }])
  server = await startServer({
    ...env,
    PROVIDERS: JSON.stringify(Object.fromEntries(endpoints)),
    CIRCUIT_PAUSE_MS: '200',
  })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

async function post(model: string, content: string): Promise<string> {
  const id = await server.begin({ model })
  return (await server.post(`/v1/interactions/${id}/messages`, { content })).body.reply.id
}

test('a provider that stays away is tried by each answer in turn, and not by the same one until that fails', async () => {
  upstream.behaves('fair', refuses(503))
  await post('fair/fair', 'first')
  await upstream.asked('fair')
  for (const content of ['second', 'third', 'fourth']) await post('fair/fair', content)
  await upstream.asked('fair', 4)
  const asked = upstream.requests.map(({ body }) => body.messages.at(-1)?.content)
  expect(new Set(asked)).toEqual(new Set(['first', 'second', 'third', 'fourth']))
})

test('an answer that failed waits for its provider no longer than any other', async () => {
  await server.restart({ CIRCUIT_PAUSE_MS: '60000', MAX_PROVIDER_WAIT_MS: '200' })
  upstream.behaves('shut', refuses(503))
  const events = await server.events(`/v1/messages/${await post('shut/shut', 'Hello')}/events`)
  expect(events.map(({ type }) => type)).toEqual([
    'reply.started',
    'reply.retrying',
    'reply.restarted',
    'reply.failed',
  ])
  expect(upstream.requests.filter(({ model }) => model === 'shut')).toHaveLength(1)
})

test('those that wait for the answer to one of them take no place in the minute of their provider', async () => {
  const limits = { rare: { requests_per_minute: 5 } }
  await server.restart({
    CIRCUIT_PAUSE_MS: '40',
    MAX_PROVIDER_FAILURES: '1',
    PROVIDER_LIMITS: JSON.stringify(limits),
  })
  const { behaviour, goOn } = holdsBack([], ['Back.'])
  upstream.behaves('rare', refuses(503), behaviour, echoes())
  const failed = await post('rare/rare', 'first')
  const ids: string[] = []
  for (const content of ['second', 'third', 'fourth', 'fifth']) ids.push(await post('rare/rare', content))
  await upstream.asked('rare', 2)
  goOn()
  for (const id of [failed, ...ids]) await server.events(`/v1/messages/${id}/events`)
  expect(upstream.requests.filter(({ model }) => model === 'rare')).toHaveLength(5)
})
