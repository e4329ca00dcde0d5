import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replyErrors } from '../../src/errors.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  type Behaviour,
  echoes,
  refuses,
  reportsErrorAfter,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

/** What a provider says and no client may read. */
const theirWords = 'org-12345 has no access with key sk-abcdef'

let upstream: Upstream
let server: TestServer
const logged: string[] = []

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer(
    { OPENAI_BASE_URL: upstream.url, MAX_PROVIDER_FAILURES: '2', MAX_THROTTLES: '3' },
    (line) => logged.push(line),
  )
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

async function askOf(...behaviours: Behaviour[]) {
  const model = `model-${upstream.requests.length}`
  upstream.behaves(model, ...behaviours)
  const { reply } = await server.say(await server.begin({ model: `openai/${model}` }), 'Hello')
  const events = await server.events(`/v1/messages/${reply.id}/events`)
  const askedAt = upstream.requests.filter((request) => request.model === model).map(({ at }) => at)
  return { reply, events, askedAt }
}

const refusals: Array<[string, keyof typeof replyErrors, Behaviour]> = [
  ['401', 'provider_unauthorized', refuses(401, {}, { message: theirWords })],
  ['403', 'provider_unauthorized', refuses(403, {}, { message: theirWords })],
  ['400', 'provider_rejected', refuses(400, {}, { message: theirWords })],
  ['422', 'provider_rejected', refuses(422, {}, { message: theirWords })],
  ['404', 'model_not_found', refuses(404, {}, { message: theirWords })],
  [
    'a prompt that is too long',
    'context_length_exceeded',
    refuses(400, {}, { code: 'context_length_exceeded', message: theirWords }),
  ],
  [
    'an empty account',
    'provider_quota_exceeded',
    refuses(429, {}, { type: 'insufficient_quota', message: theirWords }),
  ],
  ['401 as data', 'provider_unauthorized', reportsErrorAfter([], { code: 401, message: theirWords })],
]

describe.each(refusals)('a refusal that will not pass: %s', (_, code, behaviour) => {
  test('is not tried again, and the client reads our code and sentence', async () => {
    const { reply, askedAt } = await askOf(behaviour, echoes())
    const error = { code, message: replyErrors[code] }
    expect(reply).toMatchObject({ status: 'failed', attempt: 1, text: '', error })
    expect(askedAt).toHaveLength(1)
  })

  test("the provider's own words are for the operator alone", async () => {
    logged.length = 0
    const { reply, events } = await askOf(behaviour)
    expect(JSON.stringify({ reply, events })).not.toContain('org-12345')
    expect(logged.find((line) => line.includes(reply.id) && line.includes('org-12345'))).toBeDefined()
  })
})

describe('a rate limit', () => {
  test('is waited for as long as the provider asks', async () => {
    const { reply, askedAt, events } = await askOf(refuses(429, { 'retry-after-ms': '120' }), echoes())
    expect(reply).toMatchObject({ status: 'completed', attempt: 2 })
    const [first = 0, second = 0] = askedAt
    expect(second - first).toBeGreaterThanOrEqual(119)
    expect(events.find(({ type }) => type === 'reply.retrying')?.data).toMatchObject({
      error: { code: 'provider_rate_limited' },
      retry_in_ms: expect.closeTo(120, 0) as number,
    })
  })

  test('is waited for in seconds too', async () => {
    const model = 'in-seconds'
    upstream.behaves(model, refuses(429, { 'retry-after': '100' }))
    const id = await server.begin({ model: `openai/${model}` })
    const { reply } = (await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })).body
    const { events, close } = await server.open(`/v1/messages/${reply.id}/events`)
    for await (const { type, data } of events) {
      if (type !== 'reply.retrying') continue
      expect(data['retry_in_ms']).toBe(100_000)
      close()
    }
    expect((await server.get(`/v1/messages/${reply.id}`)).body).toMatchObject({ status: 'queued' })
  })

  test('that lasts for hours is not waited for', async () => {
    const { reply } = await askOf(refuses(429, { 'retry-after': '7200' }), echoes())
    expect(reply).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'provider_rate_limited' } })
  })

  test('has a budget of its own', async () => {
    const { reply, askedAt } = await askOf(refuses(500), refuses(429), refuses(429), echoes())
    expect(reply).toMatchObject({ status: 'completed', attempt: 4 })
    expect(askedAt).toHaveLength(4)
  })

  test('that is reached again and again ends the reply', async () => {
    const { reply } = await askOf(refuses(429))
    expect(reply).toMatchObject({ status: 'failed', attempt: 3, error: { code: 'provider_rate_limited' } })
  })
})
