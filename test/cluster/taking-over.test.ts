import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StreamEvent, textOf } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { neverEnds, startUpstream, type Upstream } from '../support/upstream.ts'

/** Longer to read than the pause between two commits of them. */
const longEvents = 50_000

let upstream: Upstream
let database: TestDatabase
let env: Record<string, string>
let busy: TestServer
let other: ServerProcess | undefined

beforeAll(async () => {
  ;[upstream, database] = await Promise.all([startUpstream(), createDatabase()])
  env = { DATABASE_URL: database.url, OPENAI_BASE_URL: upstream.url, MAX_RUNNING_REPLIES: '1' }
  busy = await startServer(env)
})
afterAll(async () => {
  await other?.remove()
  await busy.stop()
  await Promise.all([upstream.stop(), database.remove()])
})

test('a long answer can be taken over while the one who had it goes on telling of it', async () => {
  upstream.behaves('long', neverEnds(longEvents))
  const id = await busy.begin({ model: 'openai/long', on_crash: 'fail' })
  const { reply } = (await busy.post(`/v1/interactions/${id}/messages`, { content: 'Tell me' })).body
  const { events } = await busy.open(`/v1/messages/${reply.id}/events`)
  const seen: StreamEvent[] = []
  while (seen.length < longEvents) seen.push((await events.next()).value)

  await loseJobOf(id)
  other = await spawnServer(env)
  for await (const event of events) seen.push(event)
  expect(seen.slice(-2).map(({ type }) => type)).toEqual(['reply.resumed', 'reply.incomplete'])
  const { body } = await other.get(`/v1/messages/${reply.id}`)
  expect(body.attempt).toBe(2)
  expect(body.text).toBe(textOf(seen))
})

/** As where a node was too busy for its heartbeats: another one, which has room, takes it. */
async function loseJobOf(interactionId: string) {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query(`update pgboss.job set state = 'retry', start_after = now() where singleton_key = $1`, [
    interactionId,
  ])
  await client.end()
}
