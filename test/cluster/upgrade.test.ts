import { Client } from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { migrate } from '../support/migrate.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { makeVersion, type RunningVersion } from '../support/version.ts'

/** The last migration that this version, the older one here, knows. */
const known = '0002-who-survives'
const tables = ['interactions', 'messages', 'replies', 'events', 'nodes']

const expanding = {
  name: '9001-expands',
  survivedBy: known,
  up: [
    ...tables.map((table) => `alter table ${table} add column added text`),
    'create table additions (id text)',
  ],
}
/** As if what is gone had been needed until the one before it came. */
const contracting = { name: '9002-contracts', survivedBy: expanding.name, up: ['drop table additions'] }

const newer = makeVersion([expanding])
const newest = makeVersion([expanding, contracting])

let database: TestDatabase
let client: Client
let older: TestServer
let others: RunningVersion[]

beforeEach(async () => {
  database = await createDatabase()
  client = new Client({ connectionString: database.url })
  await client.connect()
  older = await startServer({ DATABASE_URL: database.url })
  others = []
})

afterEach(async () => {
  for (const other of others) await other.stop()
  await older.stop()
  await client.end()
  await database.remove()
})

afterAll(() => {
  newer.remove()
  newest.remove()
})

async function join(version: typeof newer): Promise<RunningVersion> {
  const node = await version.start({ DATABASE_URL: database.url })
  others.push(node)
  return node
}

/** Users who do what there is to do until they are told to stop; what they were answered. */
function startUsers(count: number) {
  const statuses: number[] = []
  const ends: Array<string | undefined> = []
  let rounds = 0
  const over = new AbortController()
  async function use() {
    while (!over.signal.aborted) {
      const begun = await older.post('/v1/interactions', { title: 'Talk' })
      const path = `/v1/interactions/${begun.body.id}`
      const body = JSON.stringify({ content: 'Hello', stream: true })
      const headers = { 'content-type': 'application/json' }
      const stream = await older.open(`${path}/messages`, { method: 'POST', headers, body })
      const events = await Array.fromAsync(stream.events)
      ends.push(events.at(-1)?.type)
      const answers = [
        begun,
        stream,
        await older.get(path),
        await older.get('/v1/interactions'),
        await older.get(`${path}/messages`),
        await older.request('PATCH', path, { title: 'Talked' }),
        await older.request('DELETE', path),
      ]
      statuses.push(...answers.map(({ status }) => status))
      rounds += 1
    }
  }
  const all = Promise.all(Array.from({ length: count }, use))
  return {
    /** Resolves after so many rounds more. */
    async goOn(more: number) {
      const enough = rounds + more
      await until('used', () => rounds >= enough, 30_000)
    },
    async stop() {
      over.abort()
      await all
      return { statuses: new Set(statuses), ends: new Set(ends) }
    },
  }
}

describe('a new version that expands the schema', { timeout: 60_000 }, () => {
  test('comes while the older one is in use, and nobody notices', async () => {
    const users = startUsers(4)
    await users.goOn(8)
    // Both would migrate.
    const nodes = await Promise.all([join(newer), join(newer)])
    await users.goOn(8)
    expect(await users.stop()).toEqual({
      statuses: new Set([200, 201, 204]),
      ends: new Set(['reply.completed']),
    })
    for (const node of [...nodes, older]) {
      expect((await node.say(await node.begin(), 'Hello')).reply.status).toBe('completed')
    }
    const { rows } = await client.query('select name from schema_migrations order by name desc limit 1')
    expect(rows).toEqual([{ name: expanding.name }])
  })

  test('waits for what is in use, and makes nobody wait behind it', async () => {
    await client.query('begin; select from interactions')
    const coming = join(newer)
    const other = new Client({ connectionString: database.url })
    await other.connect()
    await until('waiting for the table', async () => {
      const { rows } = await other.query('select from pg_locks where not granted')
      return rows.length > 0
    })
    for (let posts = 0; posts < 5; posts += 1) {
      const at = performance.now()
      expect((await older.post('/v1/interactions')).status).toBe(201)
      expect(performance.now() - at).toBeLessThan(5_000)
    }
    await client.query('commit')
    await other.end()
    await coming
  })

  test('lets a node of the older one start again', async () => {
    const node = await join(newer)
    const id = await node.begin()
    await older.restart()
    expect((await older.say(id, 'Hello')).reply.status).toBe('completed')
    // The way back.
    await node.stop()
    await older.restart()
    expect((await older.get(`/v1/interactions/${id}/messages`)).body.data).toHaveLength(2)
  })

  test('is not copied by the older one, which would leave out what is new', async () => {
    await join(newer)
    const target = await createDatabase('sqlite')
    const { code, said } = await migrate(database.url, target.url)
    expect([code, said]).toEqual([1, expect.stringContaining('was made by a newer version of Parley')])
    await target.remove()
  })
})

describe('a version after that, which takes away what the older one needs', { timeout: 60_000 }, () => {
  test('lets the one before it start, and refuses the older one with a reason', async () => {
    const node = await join(newest)
    const refused: unknown = await startServer({ DATABASE_URL: database.url }).catch(
      (error: unknown) => error,
    )
    expect(String(refused)).toContain('was made by a newer version of Parley')
    const before = await join(newer)
    for (const each of [node, before]) {
      expect((await each.say(await each.begin(), 'Hello')).reply.status).toBe('completed')
    }
  })
})
