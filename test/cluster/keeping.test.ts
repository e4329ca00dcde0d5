import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTransaction } from '../support/cluster/transaction.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const ask = () =>
  server.request(
    'POST',
    '/v1/chat/completions',
    { model: 'builtin/eliza', messages: [{ role: 'user', content: 'Hello' }], store: false },
    { 'idempotency-key': 'once' },
  )

test('asking again for what is not stored takes back no change that is made just then', async () => {
  const first = await ask()
  const id = first.headers.get('x-parley-interaction')
  const other = await openTransaction(server.databaseUrl)
  await other.query(`update interactions set title = 'Hers', current_branch = 7 where id = $1`, [id])
  const again = ask()
  await other.whenAwaited()
  await other.commit()
  expect((await again).body).toEqual(first.body)
  expect((await server.get(`/v1/interactions/${id}`)).body).toMatchObject({ title: 'Hers', branch: 7 })
})
