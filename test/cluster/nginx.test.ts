import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  type Answer,
  type Client,
  createClient,
  type EventReader,
  type Json,
  type StreamEvent,
  textOf,
} from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { lacksNginx, type Nginx, startNginx } from '../support/nginx.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { until } from '../support/until.ts'
import { holdsBack, startUpstream, type Upstream } from '../support/upstream.ts'

async function seen({ events }: EventReader, type: string): Promise<StreamEvent> {
  for (;;) {
    const { value, done } = await events.next()
    if (done) throw new Error(`the stream ended without ${type}`)
    if (value.type === type) return value
  }
}

describe.skipIf(lacksNginx)('three nodes behind the nginx that is deployed', () => {
  let upstream: Upstream
  let database: TestDatabase
  let nodes: ServerProcess[]
  let nginx: Nginx
  let parley: Client

  beforeAll(async () => {
    upstream = await startUpstream()
    database = await createDatabase()
    const env = {
      DATABASE_URL: database.url,
      OPENAI_BASE_URL: upstream.url,
      DEFAULT_MODEL: 'openai/model',
      TRUST_PROXY: 'on',
    }
    nodes = await Promise.all([spawnServer(env), spawnServer(env), spawnServer(env)])
    nginx = await startNginx(nodes.map(({ url }) => url))
    parley = createClient(() => nginx.url)
  })

  afterAll(async () => {
    await nginx.remove()
    for (const node of nodes) await node.remove()
    await database.remove()
    await upstream.stop()
  })

  /** What nginx logged of the request whose answer has these headers, once it has ended. */
  function accessOf(headers: Headers) {
    const id = headers.get('x-request-id')
    return until('logged', () => nginx.accesses().find(({ req_id }) => req_id === id))
  }

  test('stream an answer token by token, and not when it is whole', async () => {
    const { behaviour, goOn } = holdsBack(['One '], ['two'])
    upstream.behaves('model', behaviour)
    const id = await parley.begin()
    const reader = await parley.open(`/v1/interactions/${id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ content: 'Count', stream: true }),
    })
    expect((await seen(reader, 'text.delta')).data).toEqual({ text: 'One ' })
    // The model says no more before this reader has seen its first word.
    goOn()
    const rest = await Array.fromAsync(reader.events)
    expect(textOf(rest)).toBe('two')
    expect(rest.at(-1)?.type).toBe('reply.completed')
  })

  test('let a reader go on at each of them, with nothing missing and nothing twice', async () => {
    const { behaviour, goOn } = holdsBack(['One '], ['two'])
    upstream.behaves('model', behaviour)
    const { body } = await parley.post(`/v1/interactions/${await parley.begin()}/messages`, { content: 'Go' })
    const path = `/v1/messages/${body.reply.id}/events`
    const first = await parley.open(path)
    const { id: lastId } = await seen(first, 'text.delta')
    first.close()
    await accessOf(first.headers)

    // The node with the fewest streams gets the next, so that each gets one.
    const readers = await Promise.all(
      nodes.map(() => parley.open(path, { headers: { 'last-event-id': String(lastId) } })),
    )
    goOn()
    const heard = await Promise.all(readers.map(({ events }) => Array.fromAsync(events)))
    for (const events of heard) {
      expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => Number(lastId) + 1 + index))
      expect(textOf(events)).toBe('two')
      expect(events.at(-1)?.type).toBe('reply.completed')
    }
    const accesses = await Promise.all(readers.map(({ headers }) => accessOf(headers)))
    expect(accesses.map(({ node }) => node).toSorted()).toEqual(
      nodes.map(({ url }) => new URL(url).host).toSorted(),
    )
  })

  test('log a request under the id of nginx, whatever its client claims', async () => {
    const claimed = { 'x-request-id': 'claimed-by-the-client', 'x-forwarded-for': '203.0.113.9' }
    const { headers } = await parley.request('GET', '/v1/models', undefined, claimed)
    expect(await accessOf(headers)).toMatchObject({ method: 'GET', status: 200 })
  })

  test('refuse a body that is too long as one node would', async () => {
    const tooLong = { title: 'x'.repeat(1_048_576) }
    const [direct, throughNginx] = [
      await nodes[0]?.post('/v1/interactions', tooLong),
      await parley.post('/v1/interactions', tooLong),
    ]
    const said = ({ body: { type, title, code } }: Answer<Json>) => ({ type, title, code })
    expect(throughNginx.status).toBe(413)
    expect(said(throughNginx)).toEqual(direct && said(direct))
  })

  test('go on without one that was killed, and no client notices', async () => {
    await nodes[0]?.end('SIGKILL')
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        index % 2 === 0 ? parley.get('/v1/models') : parley.post('/v1/interactions', {}),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 201]))
  })

  test('are missed with a problem that says when to come back', async () => {
    await Promise.all(nodes.map((node) => node.end('SIGKILL')))
    const { status, headers, body } = await parley.get('/v1/models')
    expect(status).toBe(502)
    expect(headers.get('retry-after')).toBe('1')
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toMatchObject({ status: 502, request_id: headers.get('x-request-id') })
  })
})

describe.skipIf(lacksNginx)('the nginx that is deployed', () => {
  let nodes: Server[]
  let connections: number
  let asked: IncomingMessage[]
  let nginx: Nginx
  let front: Client

  /** Nodes that answer as `answer` has it. */
  async function start(answer: (request: IncomingMessage) => number | undefined) {
    connections = 0
    asked = []
    nodes = Array.from({ length: 3 }, () =>
      createServer((request, response) => {
        asked.push(request)
        const status = answer(request)
        if (status) response.writeHead(status).end()
        else request.socket.destroy()
      })
        .on('connection', () => (connections += 1))
        .listen(0, '127.0.0.1'),
    )
    await Promise.all(nodes.map((node) => once(node, 'listening')))
    nginx = await startNginx(nodes.map((node) => `http://127.0.0.1:${(node.address() as AddressInfo).port}`))
    front = createClient(() => nginx.url)
  }

  // Also after a test that fails: nothing else would end it.
  afterEach(async () => {
    await nginx.remove()
    for (const node of nodes) node.closeAllConnections()
    await Promise.all(nodes.map((node) => new Promise((resolve) => node.close(resolve))))
  })

  test('asks another node where one breaks off, but never twice for what may have been done', async () => {
    await start(() => undefined)
    expect((await front.post('/v1/interactions', {})).status).toBe(502)
    expect(asked).toHaveLength(1)
    expect((await front.request('PATCH', '/v1/interactions/1', {})).status).toBe(502)
    expect(asked).toHaveLength(2)
    expect((await front.get('/v1/interactions')).status).toBe(502)
    expect(asked).toHaveLength(5)
  })

  test('hands on what a node refuses, and says nothing else in its place', async () => {
    await start(() => 503)
    expect((await front.get('/v1/interactions')).status).toBe(503)
    expect(asked).toHaveLength(1)
  })

  test('keeps its connections to the nodes', async () => {
    await start(() => 204)
    for (let left = 60; left > 0; left -= 1) await front.get('/healthz')
    expect(asked).toHaveLength(60)
    expect(connections).toBeLessThan(30)
  })

  test('tells the nodes who asks, and believes nobody who claims to be another', async () => {
    await start(() => 204)
    await front.request('GET', '/', undefined, {
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-proto': 'https',
      'x-request-id': 'claimed-by-the-client',
    })
    expect(asked[0]?.headers).toMatchObject({
      host: new URL(nginx.url).host,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-request-id': expect.stringMatching(/^[0-9a-f]{32}$/),
    })
  })
})
