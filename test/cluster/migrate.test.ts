import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { readContents } from '../support/contents.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { migrate, startMigration } from '../support/migrate.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { breaksAfter, echoes, fallsSilentAfter, startUpstream } from '../support/upstream.ts'

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function make(engine: 'sqlite' | 'postgres'): Promise<TestDatabase> {
  const database = await createDatabase(engine)
  cleanups.push(database.remove)
  return database
}

/** What `use` does on a server on `database`, which is stopped again. */
async function on<Result>(
  database: TestDatabase,
  use: (server: TestServer) => Promise<Result>,
  env: Record<string, string> = {},
  now?: () => number,
): Promise<Result> {
  const server = await startServer({ ...env, DATABASE_URL: database.url }, undefined, now)
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

const contentsOf = (database: TestDatabase, env?: Record<string, string>) =>
  on(database, (server) => readContents(server.url), env)

/** Asks the database itself, for what the API does not say. */
async function ask(database: TestDatabase, text: string, values: unknown[] = []): Promise<Json[]> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}

/** Interactions of several kinds, with answers of several kinds. */
async function converse(server: TestServer) {
  const id = await server.begin({ title: 'Über 🦆 "ducks"', prompt: 'Be\nbrief', temperature: 0.5 })
  for (const content of ['I am worried 😟', '\u2028 "quoted" \\u0000 </script>', 'x'.repeat(100_000)]) {
    await server.say(id, content, { metadata: { from: 'test' } })
  }
  await server.request('PATCH', `/v1/interactions/${id}`, { title: 'Ducks' })
  const { reply } = await server.say(id, 'And once more')
  await server.post(`/v1/messages/${reply.id}/regenerate`, { wait_ms: 10_000 })
  await server.begin({ metadata: { empty: 'yes' } })
  for (const model of ['openai/echo', 'openai/breaks']) {
    const other = await server.begin()
    await server.post(`/v1/interactions/${other}/messages`, { content: 'Hello', model, wait_ms: 10_000 })
  }
  const original = (await server.post('/interactions/', { prompt: 'as in 2023' })).body.id
  await server.post(`/interactions/${original}/messages/`, { role: 'Human', content: 'Hi' })
  await until('answered', async () => {
    const { body } = await server.get(`/v1/interactions/${original}/messages`)
    return body.data[1]?.status === 'completed'
  })
}

/** Each is several servers and processes, one after the other. */
const timeout = 60_000

describe('a database that is migrated', { timeout }, () => {
  test('says the same on PostgreSQL, and back on SQLite', async () => {
    const upstream = await startUpstream()
    cleanups.push(upstream.stop)
    upstream.behaves('breaks', breaksAfter(['Half an ans']))
    const [sqlite, postgres, back] = [await make('sqlite'), await make('postgres'), await make('sqlite')]
    const before = await on(
      sqlite,
      async (server) => {
        await converse(server)
        return readContents(server.url)
      },
      { OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'builtin/eliza' },
    )
    expect(before.size).toBe(13)

    const there = await migrate(sqlite.url, postgres.url)
    expect(there).toMatchObject({
      code: 0,
      said: expect.stringMatching(/100 %.*rows\/s[^]*The same on both/),
    })
    expect(await contentsOf(postgres)).toEqual(before)

    await on(postgres, async (server) => server.say(await server.begin(), 'Said there'))
    const grown = await contentsOf(postgres)
    expect((await migrate(postgres.url, back.url)).code).toBe(0)
    expect(await contentsOf(back)).toEqual(grown)
    // And the next posts go on behind what was copied.
    await on(back, async (server) => server.say(await server.begin(), 'Said here'))
  })

  test('keeps the events of each day in the partition of that day, whatever numbers the logs had', async () => {
    const dayMs = 86_400_000
    const [sqlite, postgres] = [await make('sqlite'), await make('postgres')]
    const env = { EVENT_RETENTION_DAYS: '100' }
    const days = [40, 3]
    for (const ago of days) {
      const at = Date.now() - ago * dayMs
      const speak = async (server: TestServer) => server.say(await server.begin(), 'Hello')
      // All at one moment: as many as there can be, when a clock is set back.
      for (let turn = 0; turn < 2; turn += 1) await on(sqlite, speak, env, () => at)
    }
    const file = new DatabaseSync(sqlite.url.slice('sqlite:'.length))
    file.exec('update events set log = log * 1024; update replies set log = log * 1024')
    file.close()
    const before = await contentsOf(sqlite, env)

    expect((await migrate(sqlite.url, postgres.url)).code).toBe(0)
    const found = await ask(
      postgres,
      `select events.tableoid::regclass::text as partition, replies.created_at, count(distinct log)::int as logs
       from events join replies using (log) group by 1, 2 order by 2`,
    )
    const partitionOf = (ms: string) =>
      `events_${new Date(Number(ms)).toISOString().slice(0, 10).replaceAll('-', '')}`
    expect(found).toHaveLength(days.length)
    for (const { partition, created_at, logs } of found) {
      expect({ partition, logs }).toEqual({ partition: partitionOf(created_at), logs: 2 })
    }
    expect(await contentsOf(postgres, env)).toEqual(before)
  })

  test.each([
    ['sqlite', 'postgres'],
    ['postgres', 'sqlite'],
  ] as const)('has its open replies made on the other side: from %s to %s', async (one, other) => {
    const upstream = await startUpstream()
    cleanups.push(upstream.stop)
    upstream.behaves('slow', fallsSilentAfter(['Half ']), echoes())
    const [source, target] = [await make(one), await make(other)]
    const env = { OPENAI_BASE_URL: upstream.url }
    const replies = await on(
      source,
      async (server) => {
        const id = await server.begin({ model: 'openai/slow' })
        const post = async (content: string) =>
          (await server.post(`/v1/interactions/${id}/messages`, { content })).body.reply.id as string
        const first = await post('One')
        const { events } = await server.open(`/v1/messages/${first}/events`)
        for await (const { type } of events) if (type === 'text.delta') break
        return [first, await post('Two')]
      },
      env,
    )
    expect((await migrate(source.url, target.url)).code).toBe(0)
    await on(
      target,
      async (server) => {
        for (const [index, reply] of replies.entries()) {
          const message = await until('answered', async () => {
            const { body } = await server.get(`/v1/messages/${reply}`)
            return body.status === 'completed' && body
          })
          expect(message).toMatchObject({ text: `You said: ${['One', 'Two'][index]}`, attempt: 2 - index })
        }
      },
      env,
    )
  })

  test('is whole after its copier was killed half-way, and serves nobody before', async () => {
    const [sqlite, postgres] = [await make('sqlite'), await make('postgres')]
    const before = await on(sqlite, async (server) => {
      const ids = await Promise.all(Array.from({ length: 15 }, () => server.begin()))
      for (let turn = 0; turn < 10; turn += 1) {
        await Promise.all(ids.map((id) => server.say(id, `Turn ${turn}`)))
      }
      return readContents(server.url)
    })
    const goOn = await holdUpAfter(postgres, 120)

    const { child, ended } = startMigration('--from', sqlite.url, '--to', postgres.url)
    const copied = 'select (select count(*) from replies)::int as replies'
    await until('half-way', async () => (await ask(postgres, copied))[0].replies > 0, 20_000)
    child.kill('SIGKILL')
    await ended
    await goOn()
    expect((await ask(postgres, copied))[0].replies).toBe(100)
    await expect(startServer({ DATABASE_URL: postgres.url })).rejects.toThrow('an unfinished copy of sqlite:')
    const elsewhere = await make('sqlite')
    expect(await migrate((await spoken(elsewhere)).url, postgres.url)).toMatchObject({
      code: 1,
      said: expect.stringContaining('is an unfinished copy of sqlite:'),
    })

    const { code, said } = await migrate(sqlite.url, postgres.url)
    expect(said).toMatch(/copied [1-9]\d* of/)
    expect(code).toBe(0)
    expect(await contentsOf(postgres)).toEqual(before)
  })

  test('is not called the same where its source was changed before the copy went on', async () => {
    const [sqlite, postgres] = [await spoken(await make('sqlite')), await make('postgres')]
    const goOn = await holdUpAfter(postgres, 0)
    const { child, ended } = startMigration('--from', sqlite.url, '--to', postgres.url)
    await until(
      'half-way',
      async () => {
        const [{ messages }] = await ask(postgres, 'select count(*)::int as messages from messages')
        return messages > 0
      },
      20_000,
    )
    child.kill('SIGKILL')
    await ended
    await goOn()
    await on(sqlite, async (server) => {
      const [{ id }] = (await server.get('/v1/interactions')).body.data
      await server.request('PATCH', `/v1/interactions/${id}`, { title: 'Changed' })
    })

    const { code, said } = await migrate(sqlite.url, postgres.url)
    expect(code).toBe(1)
    expect(said).toMatch(/not the same as its source: interactions has 1 rows \(SHA-256 [0-9a-f]{64}\)/)
    expect(said).not.toContain('messages has')
    await expect(startServer({ DATABASE_URL: postgres.url })).rejects.toThrow('unfinished copy')
  })
})

/** With something in it. */
async function spoken(database: TestDatabase): Promise<TestDatabase> {
  await on(database, async (server) => server.say(await server.begin(), 'Hello'))
  return database
}

/** Makes whoever inserts more than `count` replies wait, until the result is called. */
async function holdUpAfter(database: TestDatabase, count: number): Promise<() => Promise<void>> {
  const gate = new Client({ connectionString: database.url })
  await gate.connect()
  await gate.query('select pg_advisory_lock(42)')
  await gate.query(`
    create function hold_up() returns trigger language plpgsql as $$ begin
      if (select count(*) from replies) >= ${count} then perform pg_advisory_xact_lock(42); end if;
      return new;
    end $$;
    create trigger hold_up before insert on replies for each row execute function hold_up()`)
  onTestFinished(() => gate.end().catch(() => {}))
  return () => gate.end()
}

describe('a migration is refused', { timeout }, () => {
  test('where the target has data of its own', async () => {
    const [source, target] = [await spoken(await make('sqlite')), await spoken(await make('postgres'))]
    const before = await contentsOf(target)
    for (const [from, to] of [
      [source, target],
      [target, source],
    ] as const) {
      const { code, said } = await migrate(from.url, to.url)
      expect(said).toMatch(/--to: .* has \d+ rows of its own/)
      expect(code).toBe(1)
    }
    expect(await contentsOf(target)).toEqual(before)
  })

  test.each(['sqlite', 'postgres'] as const)(
    'while a server uses %s, as source or target',
    async (engine) => {
      const [used, other] = [await make(engine), await spoken(await make('sqlite'))]
      const free = await make('postgres')
      await on(used, async () => {
        const asSource = await migrate(used.url, free.url)
        expect(asSource).toMatchObject({
          code: 1,
          said: expect.stringMatching(/--from: .*(another Parley|1 running node)/),
        })
        const asTarget = await migrate(other.url, used.url)
        expect(asTarget).toMatchObject({
          code: 1,
          said: expect.stringMatching(/--to: .*(another Parley|1 running node)/),
        })
      })
    },
  )

  test('where there is nothing to copy from, or nowhere to copy to', async () => {
    const [sqlite, postgres] = [await make('sqlite'), await make('postgres')]
    const stranger = new URL(postgres.url)
    stranger.pathname = '/template1'
    const refusals: Array<[string[], RegExp]> = [
      [['--from', sqlite.url, '--to', postgres.url], /--from: there is no file/],
      [['--from', stranger.href, '--to', sqlite.url], /--from: .*template1 is no database of Parley/],
      [['--from', postgres.url, '--to', postgres.url], /the same database/],
      [['--from', postgres.url, '--to', 'mysql://localhost/x'], /--to must be sqlite:/],
      [['--from', postgres.url], /--to is missing[^]*npm run migrate/],
    ]
    const answers = await Promise.all(refusals.map(([args]) => startMigration(...args).ended))
    for (const [index, [, sentence]] of refusals.entries()) {
      expect(answers[index]).toEqual({ code: 1, said: expect.stringMatching(sentence) })
    }
  })
})

test('every table is copied, but those that belong to one database', async () => {
  const { tables } = await import('../../src/copy/store.ts')
  const own = [
    'nodes',
    'idempotency_keys',
    'provider_rates',
    'schema_migrations',
    'schema_migrations_lock',
    'schema_survivors',
  ]
  for (const engine of ['sqlite', 'postgres'] as const) {
    const storage = await (await make(engine)).open()
    cleanups.push(storage.close)
    const found = (await storage.db.introspection.getTables())
      .filter(({ schema, name }) => schema !== 'pgboss' && !/^(events_\d+|sqlite_.*)$/.test(name))
      .map(({ name }) => name)
    const known = [...tables, ...(engine === 'postgres' ? own : own.slice(1))]
    expect(found.toSorted()).toEqual(known.toSorted())
  }
})
