import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { echoes, fallsSilentAfter, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  server = await spawnServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/deadly',
    MAX_CRASHES: '2',
  })
})

afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

test('an answer that kills its server every time fails in the end, says why, and lets the next one be made', async () => {
  upstream.behaves('deadly', fallsSilentAfter(['Goodbye ']))
  upstream.behaves('harmless', echoes())
  const id = await server.begin()
  const { body: deadly } = await server.post(`/v1/interactions/${id}/messages`, { content: 'Die' })
  await server.post(`/v1/interactions/${id}/messages`, { content: 'Live', model: 'openai/harmless' })
  const eventsPath = `/v1/messages/${deadly.reply.id}/events`

  let lastId = 0
  for (let kills = 0; kills < 2; kills += 1) {
    const { events, close } = await server.open(`${eventsPath}?after=${lastId}`)
    for await (const event of events) {
      lastId = event.id ?? lastId
      if (event.type === 'text.delta') break
    }
    close()
    await server.end('SIGKILL')
    await server.start()
  }

  const types = (await server.events(eventsPath)).map(({ type }) => type)
  expect(types).toEqual([
    'reply.started',
    'text.delta',
    'reply.restarted',
    'text.delta',
    'reply.restarted',
    'reply.failed',
  ])
  const { body } = await server.get(`/v1/interactions/${id}/messages`)
  expect(body.data[1]).toMatchObject({ status: 'failed', error: { code: 'crashed' }, text: '' })
  expect(upstream.requests.filter(({ model }) => model === 'deadly')).toHaveLength(2)
  await server.events(`/v1/messages/${body.data[3].id}/events`)
  const { body: next } = await server.get(`/v1/messages/${body.data[3].id}`)
  expect(next).toMatchObject({ status: 'completed', text: 'You said: Live' })
})
