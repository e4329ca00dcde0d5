import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { fallsSilentAfter, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let database: TestDatabase
let nodes: TestServer[]

beforeAll(async () => {
  ;[upstream, database] = await Promise.all([startUpstream(), createDatabase()])
  const env = { DATABASE_URL: database.url, OPENAI_BASE_URL: upstream.url }
  nodes = await Promise.all([startServer(env), startServer(env)])
})
afterAll(async () => {
  for (const node of nodes) await node.stop()
  await Promise.all([upstream.stop(), database.remove()])
})

// One of the two makes the reply: so one of the requests comes to the other one.
test.each([
  ['cancelled', (id: string) => ['POST', `/v1/messages/${id}/cancel`]],
  ['deleted', (id: string) => ['DELETE', `/v1/messages/${id}`]],
])('a reply that is %s at any node stops within a second, wherever it is made', async (how, requestOf) => {
  for (const [index, node] of nodes.entries()) {
    const model = `${how}-${index}`
    upstream.behaves(model, fallsSilentAfter(['Once ']))
    const [asked] = nodes
    const id = await asked?.begin({ model: `openai/${model}` })
    const { reply } = (await asked?.post(`/v1/interactions/${id}/messages`, { content: 'Hello' }))?.body ?? {}
    const { events } = await node.open(`/v1/messages/${reply.id}/events`)
    for await (const { type } of events) if (type === 'text.delta') break

    const request = await upstream.asked(model)
    const [method = '', path = ''] = requestOf(reply.id)
    const at = performance.now()
    expect((await node.request(method, path)).status).toBeLessThan(300)
    await request.closed
    expect(performance.now() - at).toBeLessThan(1_000)
  }
})
