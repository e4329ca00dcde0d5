import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { replyErrors } from '../../src/errors.ts'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { hangs, refuses, startUpstream, type Upstream } from '../support/upstream.ts'

const page = readFileSync('docs/operating-a-cluster.md', 'utf8')
/** What the page tells an operator to ask PostgreSQL. */
const statements = [...page.matchAll(/^```sql\n(.*?)^```/gms)]
  .flatMap(([, block = '']) => block.split(/;\n|\n$/))
  .map((text) => text.replaceAll(/^--.*\n/gm, '').trim())
  .filter((text) => text !== '')

/** What KEDA asks it. */
const [scaled] = parseAllDocuments(readFileSync('deploy/kubernetes/autoscaling/keda.yaml', 'utf8'))
  .map((document): Json => document.toJS())
  .filter(({ kind }) => kind === 'ScaledObject')
const query: string = scaled.spec.triggers[0].metadata.query

let upstream: Upstream
let parley: TestServer
let client: Client

beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/model',
    MAX_RUNNING_PER_PROVIDER: '1',
    MAX_PROVIDER_FAILURES: '2',
  })
  client = new Client({ connectionString: parley.databaseUrl })
  await client.connect()
})

afterAll(async () => {
  await client.end()
  await parley.stop()
  await upstream.stop()
})

test('the page lists what was given up, by code, after which tries', async () => {
  upstream.behaves('refused', refuses(400))
  upstream.behaves('away', refuses(503))
  const ids: string[] = []
  for (const model of ['openai/refused', 'openai/away']) {
    const { reply } = await parley.say(await parley.begin({ model }), 'Hello')
    ids.unshift(reply.id)
  }
  const find = (words: string) => statements.filter((text) => text.includes(words))
  const [list = '', byCode = ''] = find("status = 'failed'")
  const { rows } = await client.query(list)
  expect(rows).toEqual([
    expect.objectContaining({ message_id: ids[0], code: 'provider_unavailable', attempts: 2, failures: 1 }),
    expect.objectContaining({ message_id: ids[1], code: 'provider_rejected', attempts: 1, failures: 0 }),
  ])
  const { rows: counted } = await client.query(byCode)
  expect(counted).toContainEqual(
    expect.objectContaining({ code: 'provider_rejected', model: 'openai/refused', count: '1' }),
  )
  for (const row of counted) expect(page).toContain(`\`${row.code}\``)
})

test('what scales the nodes counts each interaction with something to do once', async () => {
  const count = async () => {
    const { rows } = await client.query<{ count: string }>(query)
    return Number(rows[0]?.count)
  }
  await parley.say(await parley.begin(), 'What is answered counts no more')
  expect(await count()).toBe(0)
  upstream.behaves('model', hangs())
  const [one, other] = [await parley.begin(), await parley.begin()]
  await parley.post(`/v1/interactions/${one}/messages`, { content: 'This is in the making' })
  await upstream.asked('model', 2)
  await parley.post(`/v1/interactions/${one}/messages`, { content: 'This waits for it' })
  await parley.post(`/v1/interactions/${other}/messages`, { content: 'This waits for a place' })
  await until('claimed', async () => (await count()) === 2)
  expect(query.replaceAll(/\s+/g, ' ')).toBe(statements[0]?.replaceAll(/\s+/g, ' '))
})

test('every code of a dead letter is one that an answer can have', () => {
  const [, table = ''] = /^\| Code [^\n]*\n(.*?)\n\n/ms.exec(page) ?? []
  const codes = [...table.matchAll(/`([a-z_]+)`/g)].map(([, code = '']) => code)
  expect(codes.length).toBeGreaterThan(8)
  expect(codes.filter((code) => !(code in replyErrors))).toEqual([])
})

test('everything that the page asks of PostgreSQL is answered', async () => {
  expect(statements.length).toBeGreaterThan(8)
  for (const statement of statements) {
    const { rows } = await client.query(statement).catch((error: Error) => {
      throw new Error(`${error.message} in ${statement}`)
    })
    // One asks for a conversation of somebody else's.
    expect(rows.length > 0 || /singleton_key = '/.test(statement), statement).toBe(true)
  }
})

test('the page finds the node that lives, and what it makes', async () => {
  const statement = statements.find((text) => text.includes('from nodes')) ?? ''
  const nodes = async () => {
    const { rows } = await client.query<{ lives: boolean; making: string }>(statement)
    return rows.map(({ lives, making }) => ({ lives, making: Number(making) }))
  }
  await until('claimed', async () => (await nodes())[0]?.making === 1)
  expect(await nodes()).toEqual([{ lives: true, making: 1 }])
})
