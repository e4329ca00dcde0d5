import { Client } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Json, textOf } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { holdsBack, refuses, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let parley: TestServer
let database: Client
let logged: Json[]

beforeEach(async () => {
  upstream = await startUpstream()
  logged = []
  parley = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/model' }, (line) =>
    logged.push(JSON.parse(line)),
  )
  database = new Client({ connectionString: parley.databaseUrl })
  await database.connect()
})

afterEach(async () => {
  await database.end()
  await parley.stop()
  await upstream.stop()
})

/** Cuts those connections of the server for which `condition` holds; how many there were. */
async function cut(condition: string): Promise<number> {
  const { rowCount } = await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and ${condition}`,
  )
  return rowCount ?? 0
}

function errorsLogged() {
  return logged.filter(({ level }) => level >= 50)
}

async function post(content: string, more: object = {}): Promise<string> {
  const path = `/v1/interactions/${await parley.begin()}/messages`
  const { body } = await parley.post(path, { content, ...more })
  return body.reply.id
}

/** Cuts all connections while an answer is being written down that has said a word. */
async function cutInTheMiddle(goOn: () => void): Promise<void> {
  await until('streaming', async () => {
    const { rows } = await database.query(`select 1 from events where type = 'text.delta'`)
    return rows.length > 0
  })
  // It holds a connection for its next commit when they are all cut.
  await database.query('begin; lock table events in share mode')
  goOn()
  await until('committing', async () => {
    const { rows } = await database.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  })
  expect(await cut(`application_name like 'parley%'`)).toBeGreaterThan(0)
  await database.query('rollback')
}

/** The reply when it has ended, however long the server cannot tell. */
function ended(id: string): Promise<Json> {
  const hasEnded = async () => {
    const { status, body } = await parley.get(`/v1/messages/${id}`)
    return status === 200 && !['queued', 'in_progress'].includes(body.status) && body
  }
  return until('ended', hasEnded, 15_000)
}

test('an answer that was being made when all connections were cut is made anew, and that was no crash', async () => {
  const { behaviour, goOn } = holdsBack(['One '], ['two'])
  upstream.behaves('model', behaviour, says(['All ', 'anew']))
  const id = await post('Count', { max_attempts: 1 })
  await cutInTheMiddle(goOn)
  expect(await ended(id)).toMatchObject({ status: 'completed', text: 'All anew', attempt: 2 })
  const events = await parley.events(`/v1/messages/${id}/events`)
  expect(textOf(events)).toBe('All anew')
  expect(events.filter(({ type }) => type === 'reply.restarted')).toHaveLength(1)
  const [reply] = (await parley.get('/v1/replies')).body.data
  expect(reply).toMatchObject({ id, crashes: 0 })
  expect(errorsLogged()).toEqual([])
})

test('one that no model may be asked for twice ends with what was told of it', async () => {
  const { behaviour, goOn } = holdsBack(['One '], ['two'])
  upstream.behaves('model', behaviour, says(['All ', 'anew']))
  const id = await post('Count', { on_crash: 'fail' })
  await cutInTheMiddle(goOn)
  expect(await ended(id)).toMatchObject({ status: 'incomplete', text: 'One ', error: { code: 'crashed' } })
  expect(upstream.requests).toHaveLength(1)
})

test('an answer whose question could not be read is no failure', async () => {
  upstream.behaves('model', refuses(429, { 'retry-after': '1' }), says(['Here I am']))
  const id = await post('Hello')
  await until('refused', async () => {
    const { rows } = await database.query(`select 1 from events where type = 'reply.retrying'`)
    return rows.length > 0
  })
  await database.query('begin; lock table messages in access exclusive mode')
  await until('its reader cut off', () => cut(`wait_event_type = 'Lock'`).then((count) => count > 0))
  await database.query('rollback')

  const reply = await ended(id)
  expect(reply).toMatchObject({ status: 'completed', text: 'Here I am' })
  expect(errorsLogged()).toEqual([])
})

test('a node that was taken for dead, because its session was cut, keeps its number', async () => {
  const numbers = async () => (await database.query('select number from nodes')).rows
  const before = await numbers()
  expect(before).toHaveLength(1)
  await database.query('delete from nodes')
  expect(await cut(`application_name = 'parley notices'`)).toBe(1)
  expect(await until('back', async () => ((await numbers()).length > 0 ? numbers() : undefined))).toEqual(
    before,
  )
})
