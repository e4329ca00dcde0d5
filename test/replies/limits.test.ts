import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import {
  echoes,
  fallsSilentAfter,
  hangs,
  holdsBack,
  refuses,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
let other: Upstream
let server: TestServer

async function start(limits: Record<string, string>) {
  const endpoints = { one: { base_url: upstream.url }, two: { base_url: other.url } }
  server = await startServer({ PROVIDERS: JSON.stringify(endpoints), DEFAULT_MODEL: 'one/any', ...limits })
}

beforeEach(async () => {
  upstream = await startUpstream()
  other = await startUpstream()
})
afterEach(async () => {
  await server.stop()
  await upstream.stop()
  await other.stop()
})

async function post(model: string) {
  const id = await server.begin({ model })
  return { id, ...(await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })) }
}

describe('a provider that hangs', () => {
  test('stops nobody who asks another one', async () => {
    await start({ MAX_RUNNING_PER_PROVIDER: '2' })
    upstream.behaves('any', hangs())
    for (let count = 0; count < 6; count += 1) await post('one/any')
    await upstream.asked('any', 2)

    const { reply } = await server.say(await server.begin({ model: 'two/any' }), 'Hello')
    expect(reply).toMatchObject({ status: 'completed', text: 'You said: Hello' })
    expect(upstream.requests).toHaveLength(2)
  })

  test('stops nobody who asks for another model of the same interaction, once it is let go', async () => {
    await start({ MAX_RUNNING_PER_PROVIDER: '1', FIRST_TOKEN_TIMEOUT_MS: '50', MAX_PROVIDER_FAILURES: '1' })
    upstream.behaves('any', hangs())
    const { id } = await post('one/any')
    const { reply } = await server.say(id, 'And you?', { model: 'two/any' })
    expect(reply).toMatchObject({ status: 'completed', model: 'two/any' })
  })
})

describe('places at a provider', () => {
  test('are taken in the order of the posts, and given on', async () => {
    await start({ MAX_RUNNING_PER_PROVIDER: '1' })
    const { behaviour, goOn } = holdsBack([], ['done'])
    upstream.behaves('any', behaviour, echoes())
    const posts = [await post('one/any'), await post('one/any'), await post('one/any')]
    await upstream.asked('any')
    expect((await server.get(`/v1/messages/${posts[1]?.body.reply.id}`)).body.status).toBe('queued')
    goOn()
    const ended = await Promise.all(
      posts.map(async ({ body }) => {
        await server.events(`/v1/messages/${body.reply.id}/events`)
        return (await server.get(`/v1/messages/${body.reply.id}`)).body
      }),
    )
    expect(ended.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed'])
    const times = ended.map(({ completed_at: at }) => at)
    expect(times).toEqual(times.toSorted((one, next) => one.localeCompare(next)))
  })

  test('are bounded over all providers too', async () => {
    await start({ MAX_RUNNING_REPLIES: '1' })
    const { behaviour, goOn } = holdsBack([], ['done'])
    upstream.behaves('any', behaviour)
    await post('one/any')
    await upstream.asked('any')
    const { body } = await post('two/any')
    expect(other.requests).toHaveLength(0)
    goOn()
    const events = await server.events(`/v1/messages/${body.reply.id}/events`)
    expect(events.at(-1)?.type).toBe('reply.completed')
  })
})

describe('answers that wait', () => {
  test('are bounded: then a post is refused, stores nothing, and may come again', async () => {
    await start({ MAX_RUNNING_PER_PROVIDER: '1', MAX_QUEUED_REPLIES: '1' })
    const { behaviour, goOn } = holdsBack([], ['done'])
    upstream.behaves('any', behaviour, echoes())
    await post('one/any')
    await upstream.asked('any')
    const waiting = await post('one/any')
    expect(waiting.status).toBe(201)

    const refused = await post('one/any')
    expect(refused).toMatchObject({ status: 503, body: { code: 'server_busy' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await server.get(`/v1/interactions/${refused.id}/messages`)).body.data).toEqual([])

    goOn()
    await server.events(`/v1/messages/${waiting.body.reply.id}/events`)
    expect((await server.say(refused.id, 'Hello')).reply.status).toBe('completed')
  })

  test('are counted while they wait for a provider to take them again', async () => {
    await start({ MAX_QUEUED_REPLIES: '1' })
    upstream.behaves('any', refuses(429, { 'retry-after': '60' }))
    const { body } = await post('one/any')
    await until('put back', async () => {
      const { attempt, status } = (await server.get(`/v1/messages/${body.reply.id}`)).body
      return attempt === 1 && status === 'queued'
    })
    expect((await post('one/any')).status).toBe(503)
  })

  test('are bounded for those that are requeued, too', async () => {
    await start({ MAX_QUEUED_REPLIES: '1' })
    upstream.behaves('any', refuses(400), refuses(429, { 'retry-after': '60' }))
    const failed = await server.say(await server.begin({ model: 'one/any' }), 'Hello')
    await post('one/any')
    await until('put back', async () => {
      const { data } = (await server.get('/v1/replies?status=queued')).body
      return data[0]?.attempt === 1
    })
    const busy = { status: 503, body: { code: 'server_busy' } }
    expect(await server.post(`/v1/messages/${failed.reply.id}/requeue`)).toMatchObject(busy)
    expect(await server.post('/v1/replies/requeue')).toMatchObject(busy)
    expect((await server.get(`/v1/messages/${failed.reply.id}`)).body.status).toBe('failed')
  })

  test('are bounded in a single interaction too', async () => {
    await start({ MAX_QUEUED_REPLIES: '2' })
    upstream.behaves('any', hangs())
    const { id } = await post('one/any')
    await upstream.asked('any')
    const again = async () =>
      (await server.post(`/v1/interactions/${id}/messages`, { content: 'So?' })).status
    expect([await again(), await again(), await again()]).toEqual([201, 201, 503])
  })
})

describe('an answer', () => {
  test('that becomes too long ends as incomplete, and its provider is let go', async () => {
    await start({ MAX_REPLY_CHARS: '1024' })
    upstream.behaves('any', fallsSilentAfter(['a'.repeat(1_000), 'b'.repeat(1_000), 'c']))
    const { reply } = await server.say(await server.begin(), 'Tell me')
    expect(reply).toMatchObject({ status: 'incomplete', error: { code: 'reply_too_long' } })
    await upstream.requests[0]?.closed
  })

  test('that takes too long in all ends as incomplete, however busy it is', async () => {
    await start({ REPLY_TIMEOUT_MS: '400' })
    upstream.behaves('any', async (response, { closed }) => {
      let isClosed = false
      void closed.then(() => (isClosed = true))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      await until('closed', () => {
        response.write(`data: {"choices":[{"delta":{"content":"on and "}}]}\n\n`)
        return isClosed
      })
    })
    const { reply } = await server.say(await server.begin(), 'Tell me')
    expect(reply).toMatchObject({ status: 'incomplete', error: { code: 'reply_timeout' } })
    expect(reply.text).toMatch(/^on and on and/)
  })
})
