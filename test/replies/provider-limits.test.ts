import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { echoes, holdsBack, refuses, says, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
let server: TestServer
/** What the server takes for the time, against what it is. */
let aheadMs = 0

beforeAll(async () => {
  upstream = await startUpstream()
  const endpoint = { base_url: upstream.url }
  const env = {
    PROVIDERS: JSON.stringify({
      slow: endpoint,
      few: endpoint,
      free: endpoint,
      late: endpoint,
      both: endpoint,
    }),
    PROVIDER_LIMITS: JSON.stringify({
      slow: { requests_per_minute: 3 },
      few: { max_running: 1 },
      late: { requests_per_minute: 2 },
      both: { requests_per_minute: 2 },
    }),
    // What was asked is not asked again after a restart.
    STOP_GRACE_MS: '5000',
  }
  server = await startServer(env, undefined, () => Date.now() + aheadMs)
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

async function post(model: string | string[]) {
  const { body } = await server.post(`/v1/interactions/${await server.begin({ model })}/messages`, {
    content: 'Hello',
  })
  return body.reply.id as string
}

async function read(id: string) {
  return (await server.get(`/v1/messages/${id}`)).body
}

async function ended(id: string) {
  return (await server.events(`/v1/messages/${id}/events`)).at(-1)?.type
}

function asked(model: string) {
  return upstream.requests.filter((request) => request.model === model)
}

test('no more are asked of a provider in a minute than it may be; the others wait, and lose no try', async () => {
  // Almost a minute ago.
  aheadMs = -62_000
  upstream.behaves('m', refuses(500), echoes())
  // With the try that failed, these are three.
  for (const id of [await post('slow/m'), await post('slow/m')])
    expect(await ended(id)).toBe('reply.completed')
  aheadMs = 0
  const [waiting, elsewhere] = [await post('slow/m'), await post('free/n')]
  expect(await ended(elsewhere)).toBe('reply.completed')
  expect(await read(waiting)).toMatchObject({ status: 'queued', attempt: 0, tried: [] })
  expect(asked('m')).toHaveLength(3)
  expect(await ended(waiting)).toBe('reply.completed')
  expect(await read(waiting)).toMatchObject({ attempt: 1, tried: [] })
})

test('the limit holds after a restart, and a wait can be cancelled', async () => {
  upstream.behaves('m', echoes())
  const ids = [await post('slow/m'), await post('slow/m'), await post('slow/m')]
  await until('as many as may be', async () => asked('m').length === 6)
  await server.restart()
  const [last, elsewhere] = [await post('slow/m'), await post('free/n')]
  expect(await ended(elsewhere)).toBe('reply.completed')
  expect((await server.post(`/v1/messages/${last}/cancel`)).body.status).toBe('cancelled')
  expect(asked('m')).toHaveLength(6)
  expect((await Promise.all(ids.map(read))).filter(({ status }) => status === 'completed')).toHaveLength(2)
})

test('a time that was agreed for before a restart is not on top of those of now', async () => {
  aheadMs = -180_000
  upstream.behaves('l', echoes())
  for (const id of [await post('late/l'), await post('late/l')])
    expect(await ended(id)).toBe('reply.completed')
  aheadMs = -150_000
  const waiting = [await post('late/l'), await post('late/l')]
  expect(await ended(await post('free/n'))).toBe('reply.completed')
  const restarted = server.restart()
  // Not before it has stopped to ask.
  aheadMs = 0
  await restarted
  for (const id of waiting) expect(await ended(id)).toBe('reply.completed')
  const [next, elsewhere] = [await post('late/l'), await post('free/n')]
  expect(await ended(elsewhere)).toBe('reply.completed')
  expect(await read(next)).toMatchObject({ status: 'queued', attempt: 0 })
  expect(asked('l')).toHaveLength(4)
})

test('a summary is asked for as well: the answer behind it waits, and it is not summed up again', async () => {
  aheadMs = -62_000
  upstream.behaves('b', echoes(), says(['Alice likes papaya.']), echoes())
  expect(await ended(await post('both/b'))).toBe('reply.completed')
  aheadMs = 0
  const { body: response } = await server.post('/v1/responses', {
    model: 'both/b',
    input: [
      { role: 'user', content: 'I like papaya. '.repeat(400) },
      { role: 'user', content: 'Which fruit?' },
    ],
    context_management: [{ type: 'compaction', compact_threshold: 1_000 }],
    background: true,
  })
  await upstream.asked('b', 2)
  expect(await ended(await post('free/n'))).toBe('reply.completed')
  expect(asked('b')).toHaveLength(2)
  const { output } = await until('answered', async () => {
    const { body: now } = await server.get(`/v1/responses/${response.id}`)
    return now.status === 'completed' && now
  })
  expect(output).toMatchObject([{ type: 'compaction' }, { content: [{ text: 'You said: Which fruit?' }] }])
  expect(asked('b')).toHaveLength(3)
})

test('a provider makes no more answers at the same time than it may, whatever others may', async () => {
  const { behaviour, goOn } = holdsBack([], ['done'])
  upstream.behaves('k', behaviour, echoes())
  const first = await post('few/k')
  await upstream.asked('k')
  const [second, elsewhere] = [await post('few/k'), await post('free/n')]
  expect(await ended(elsewhere)).toBe('reply.completed')
  expect(await read(second)).toMatchObject({ status: 'queued' })
  goOn()
  expect([await ended(first), await ended(second)]).toEqual(['reply.completed', 'reply.completed'])
})

test('an answer that moves to another provider waits for a place there', async () => {
  const { behaviour, goOn } = holdsBack([], ['done'])
  upstream.behaves('full', behaviour, echoes())
  const holding = await post('few/full')
  await upstream.asked('full')
  upstream.behaves('broken', refuses(500))
  const moving = await post(['free/broken', 'few/full'])
  const { events, close } = await server.open(`/v1/messages/${moving}/events`)
  for await (const { type } of events) if (type === 'reply.retrying') break
  close()
  expect(await ended(await post('free/n'))).toBe('reply.completed')
  expect(asked('full')).toHaveLength(1)
  expect(await read(moving)).toMatchObject({ status: 'queued', model: 'few/full' })
  goOn()
  expect([await ended(holding), await ended(moving)]).toEqual(['reply.completed', 'reply.completed'])
})
