import { Client } from 'pg'
import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { echoes, holdsBack, startUpstream } from '../support/upstream.ts'

test('an answer whose node died before it had begun does not wait for a heartbeat', async () => {
  const { behaviour, goOn } = holdsBack(['One '], ['two'])
  const upstream = await startUpstream()
  upstream.behaves('model', behaviour, echoes())
  const parley = await startServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/model',
    MAX_RUNNING_PER_PROVIDER: '1',
  })
  const post = async (content: string) => {
    const interactionId = await parley.begin()
    const { body } = await parley.post(`/v1/interactions/${interactionId}/messages`, { content })
    return { interactionId, path: `/v1/messages/${body.reply.id}` }
  }
  const first = await post('Count')
  await upstream.asked('model')
  const { interactionId, path } = await post('Hello')

  // What is left of a node that has just fetched the second one's job.
  const database = new Client({ connectionString: parley.databaseUrl })
  await database.connect()
  await database.query('insert into nodes (started_at) values (0)')
  await database.query(
    `update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now() where singleton_key = $1`,
    [interactionId],
  )
  goOn()
  const { body } = await until(
    'answered',
    async () => {
      const answer = await parley.get(path)
      return answer.body.status === 'completed' && answer
    },
    8_000,
  )
  expect(body.text).toBe('You said: Hello')
  // Who lives is left alone.
  expect((await parley.get(first.path)).body).toMatchObject({ status: 'completed', attempt: 1 })

  await database.end()
  await parley.stop()
  await upstream.stop()
})
