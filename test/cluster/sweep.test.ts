import { Client } from 'pg'
import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import { hangs, startUpstream } from '../support/upstream.ts'

test('an answer that waits for long gets no second job', async () => {
  const upstream = await startUpstream()
  upstream.behaves('model', hangs())
  let aheadMs = 0
  const parley = await startServer(
    { OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/model', MAX_RUNNING_PER_PROVIDER: '1' },
    undefined,
    () => Date.now() + aheadMs,
  )
  for (let left = 3; left > 0; left -= 1) {
    await parley.post(`/v1/interactions/${await parley.begin()}/messages`, { content: 'Hello' })
  }
  await upstream.asked('model')
  // A node that comes looks at what nobody has touched for a minute.
  aheadMs = 120_000
  await parley.restart()
  await upstream.asked('model', 2)

  const client = new Client({ connectionString: parley.databaseUrl })
  await client.connect()
  const { rows } = await client.query(
    "select singleton_key, count(*)::int from pgboss.job where state <= 'active' group by 1",
  )
  expect(rows.map(({ count }) => count)).toEqual([1, 1, 1])
  await client.end()
  await parley.stop()
  await upstream.stop()
})
