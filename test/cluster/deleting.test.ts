import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTransaction } from '../support/cluster/transaction.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { holdsBack, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let database: Client

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
  database = new Client({ connectionString: server.databaseUrl })
  await database.connect()
})
afterAll(async () => {
  await database.end()
  await server.stop()
  await upstream.stop()
})

test.each([
  ['a reply', (replyId: string) => `/v1/messages/${replyId}`],
  ['an interaction', (_: string, id: string) => `/v1/interactions/${id}`],
])('deleting %s takes what is being written just then with it', async (what, pathOf) => {
  const { behaviour, goOn } = holdsBack(['Once '], ['upon '])
  upstream.behaves(what, behaviour)
  const id = await server.begin({ model: `openai/${what}` })
  const { reply } = (await server.post(`/v1/interactions/${id}/messages`, { content: 'Tell me' })).body
  const { events } = await server.open(`/v1/messages/${reply.id}/events`)
  for await (const { type } of events) if (type === 'text.delta') break
  const { rows } = await database.query('select log from replies where id = $1', [reply.id])
  const { log } = rows[0]

  // Its writer waits in the middle of a commit.
  const other = await openTransaction(server.databaseUrl)
  await other.query(
    `insert into events select log, max(sequence) + 1, 'text.delta', '{}', 0 from events where log = $1 group by log`,
    [log],
  )
  goOn()
  await other.whenAwaited()
  const deleted = server.request('DELETE', pathOf(reply.id, id))
  await Promise.race([deleted, other.whenAwaited(2)])
  await other.rollback()

  expect((await deleted).status).toBe(204)
  await until('gone', async () => {
    const { rows: left } = await database.query('select type from events where log = $1', [log])
    expect(left.filter(({ type }) => type.endsWith('.delta'))).toEqual([])
    return left.length === 0
  })
})
