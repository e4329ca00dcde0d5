import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { openTransaction } from '../support/cluster/transaction.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { holdsBack, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let later: TestServer | undefined

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
})
afterAll(async () => {
  await later?.stop()
  await server.stop()
  await upstream.stop()
})

/** The interaction of an answer that is not to be stored. */
async function ask(): Promise<string> {
  const messages = [{ role: 'user', content: 'Hello' }]
  const { headers } = await server.post('/v1/chat/completions', { model: 'builtin/eliza', messages })
  return headers.get('x-parley-interaction') ?? ''
}

test('what is posted while its interaction is looked at as one whose time is over keeps that', async () => {
  const [kept, over] = [await ask(), await ask()]
  // Who looks at replies from now on waits in the middle of its statement.
  const other = await openTransaction(server.databaseUrl)
  await other.query('select pg_advisory_xact_lock(42)')
  await swapReplies(server.databaseUrl)
  const inAnHour = () => systemClock() + 3_600_000
  later = await startServer({ DATABASE_URL: server.databaseUrl, ROLE: 'api' }, undefined, inAnHour)
  await other.whenAwaited()
  const { behaviour, goOn } = holdsBack(['I '], ['do'])
  upstream.behaves('waits', behaviour)
  const path = `/v1/interactions/${kept}/messages`
  const { status, body } = await server.post(path, { content: 'Wait', model: 'openai/waits' })
  expect(status).toBe(201)
  await other.rollback()

  await until('gone', async () => (await server.get(`/v1/interactions/${over}`)).status === 404)
  goOn()
  const events = await server.events(`/v1/messages/${body.reply.id}/events`)
  expect(events.at(-1)?.type).toBe('reply.completed')
})

async function swapReplies(databaseUrl: string) {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`
    alter table replies rename to all_replies;
    create view replies as
      select * from all_replies where (select pg_advisory_xact_lock_shared(42) is not null)`)
  await client.end()
}
