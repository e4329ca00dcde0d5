import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { holdsBack, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let database: TestDatabase
let nodes: TestServer[]

beforeEach(async () => {
  upstream = await startUpstream()
  database = await createDatabase()
  nodes = []
})

afterEach(async () => {
  for (const node of nodes) await node.stop()
  await upstream.stop()
  await database.remove()
})

/** One more node of the same cluster. */
async function join(role: string, logTo?: (line: string) => void): Promise<TestServer> {
  const env = { DATABASE_URL: database.url, OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/model' }
  const node = await startServer({ ...env, ROLE: role }, logTo)
  nodes.push(node)
  return node
}

async function ask(node: TestServer): Promise<Json> {
  const { body } = await node.post(`/v1/interactions/${await node.begin()}/messages`, { content: 'Hello' })
  return body.reply
}

test('what is posted where nobody answers waits, and is answered once a worker joins', async () => {
  const api = await join('api')
  const reply = await ask(api)
  const { body } = await api.post(`/v1/interactions/${await api.begin()}/messages`, {
    content: 'Is somebody there?',
    wait_ms: 500,
  })
  expect(body.reply.status).toBe('queued')
  expect(upstream.requests).toEqual([])

  const stream = await api.open(`/v1/messages/${reply.id}/events`)
  await join('worker')
  const events = await Array.fromAsync(stream.events)
  expect(events.map(({ type }) => type)).toContain('text.delta')
  expect(events.at(-1)?.type).toBe('reply.completed')
  const { body: answered } = await api.get(`/v1/messages/${reply.id}`)
  expect(answered.content).toEqual([{ type: 'text', text: 'You said: Hello' }])
})

test('an api node streams each word as a worker writes it', async () => {
  const { behaviour, goOn } = holdsBack(['One '], ['two'])
  upstream.behaves('model', behaviour)
  const api = await join('api')
  await join('worker')
  const { id } = await ask(api)
  const { events } = await api.open(`/v1/messages/${id}/events`)
  const seen: string[] = []
  for await (const { type, data } of events) {
    if (type !== 'text.delta') continue
    seen.push(String(data['text']))
    goOn()
  }
  expect(seen.join('')).toBe('One two')
  expect(seen[0]).toBe('One ')
})

test('an api node makes no answer that a worker leaves behind, another worker does', async () => {
  const { behaviour, goOn } = holdsBack(['One '], ['two'])
  upstream.behaves('model', behaviour)
  const api = await join('api')
  const worker = await join('worker')
  const { id } = await ask(api)
  await upstream.asked('model')
  await worker.stop()
  nodes = nodes.filter((node) => node !== worker)
  const { body: left } = await api.get(`/v1/messages/${id}`)
  expect(left.status).toBe('queued')
  goOn()
  await join('worker')
  const { events } = await api.open(`/v1/messages/${id}/events`)
  expect((await Array.fromAsync(events)).at(-1)?.type).toBe('reply.completed')
  expect(upstream.requests).toHaveLength(2)
})

test('a worker refuses the API, and says why; probes of it work', async () => {
  const worker = await join('worker')
  for (const path of ['/v1/interactions', '/v1/models', '/interactions/', '/docs', '/openapi.json', '/']) {
    for (const method of ['GET', 'POST']) {
      const { status, headers, body } = await worker.request(method, path)
      expect([method, path, status]).toEqual([method, path, 404])
      expect(headers.get('content-type')).toContain('application/problem+json')
      expect(body).toMatchObject({ code: 'not_found', detail: expect.stringContaining('ROLE=worker') })
    }
  }
  for (const path of ['/healthz', '/readyz']) expect((await worker.get(path)).status).toBe(200)
})
