import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replyErrors } from '../../src/errors.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  type Behaviour,
  breaksAfter,
  echoes,
  endsEarlyAfter,
  fallsSilentAfter,
  hangs,
  refuses,
  reportsErrorAfter,
  resets,
  says,
  sends,
  sendsAfter,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({
    OPENAI_BASE_URL: upstream.url,
    FIRST_TOKEN_TIMEOUT_MS: '150',
    TOKEN_TIMEOUT_MS: '150',
    MAX_PROVIDER_FAILURES: '3',
    PROVIDERS: JSON.stringify({ gone: { base_url: 'http://127.0.0.1:9/v1' } }),
  })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

/** What becomes of a message whose provider behaves so, and how often that was asked. */
async function askOf(...behaviours: Behaviour[]) {
  const model = `model-${upstream.requests.length}`
  upstream.behaves(model, ...behaviours)
  const before = upstream.requests.length
  const { reply } = await server.say(await server.begin({ model: `openai/${model}` }), 'Hello')
  const events = await server.events(`/v1/messages/${reply.id}/events`)
  return { reply, types: events.map(({ type }) => type), requests: upstream.requests.length - before }
}

const html = '<html><body>502 nginx</body></html>'

/** Each as it may come before, and after, the first words. */
const faults: Array<[string, keyof typeof replyErrors, (words: string[]) => Behaviour]> = [
  ['breaks the connection', 'provider_interrupted', breaksAfter],
  ['falls silent', 'provider_timeout', fallsSilentAfter],
  ['sends an event that is no JSON', 'provider_malformed', (words) => sendsAfter(words, 'data: {"cho\n\n')],
  ['sends an event that is no object', 'provider_malformed', (words) => sendsAfter(words, 'data: 7\n\n')],
  ['ends without a finish mark', 'provider_interrupted', endsEarlyAfter],
  ['sends an error as data', 'provider_unavailable', (words) => reportsErrorAfter(words, { message: 'oh' })],
  ['ends in an error', 'provider_unavailable', (words) => says(words, { reason: 'error' })],
]

const refusals: typeof faults = [
  ['answers 500', 'provider_unavailable', () => refuses(500)],
  ['answers 503', 'provider_unavailable', () => refuses(503)],
  ['answers 408', 'provider_unavailable', () => refuses(408)],
  ['never answers', 'provider_timeout', hangs],
  ['answers a page of HTML with 200', 'provider_malformed', () => sends(html, 'text/html')],
  ['answers a page of HTML as events', 'provider_interrupted', () => sends(html)],
  ['says nothing', 'provider_empty', () => says([])],
  ['says an empty text', 'provider_empty', () => says([''])],
]

describe.each([...refusals, ...faults])('a provider that %s', (_, code, fault) => {
  test('is asked again, and the answer comes', async () => {
    const { reply, types, requests } = await askOf(fault([]), echoes())
    expect(reply).toMatchObject({ status: 'completed', text: 'You said: Hello', attempt: 2, error: null })
    expect(types.slice(0, 3)).toEqual(['reply.started', 'reply.retrying', 'reply.restarted'])
    expect(requests).toBe(2)
  })

  test('is given up after the last try, with a code and a sentence', async () => {
    const { reply, types, requests } = await askOf(fault([]))
    const error = { code, message: replyErrors[code] }
    expect(reply).toMatchObject({ status: 'failed', text: '', attempt: 3, error })
    expect(types.at(-1)).toBe('reply.failed')
    expect(requests).toBe(3)
  })
})

describe.each(faults)('a provider that %s after its first words', (_, code, fault) => {
  test('is not asked again: what it said stays, as incomplete', async () => {
    const { reply, types, requests } = await askOf(fault(['Half ', 'of']), echoes())
    const error = { code, message: replyErrors[code] }
    expect(reply).toMatchObject({ status: 'incomplete', text: 'Half of', attempt: 1, error })
    expect(types.at(-1)).toBe('reply.incomplete')
    expect(requests).toBe(1)
  })
})

test('a provider that resets every connection is given up too', async () => {
  const { reply } = await askOf(resets())
  expect(reply).toMatchObject({ status: 'failed', attempt: 3, error: { code: 'provider_unavailable' } })
})

test('a connection that was kept, and is closed when it is used again, costs no try', async () => {
  await askOf(echoes())
  const { reply, requests } = await askOf(resets(), echoes())
  expect(reply).toMatchObject({ status: 'completed', attempt: 1 })
  expect(requests).toBe(2)
})

test('a provider that is slow, but goes on talking, is left to its end', async () => {
  const { reply } = await askOf(says(['On ', 'and ', 'on ', 'and ', 'on.'], { pauseMs: 50 }))
  expect(reply).toMatchObject({ status: 'completed', text: 'On and on and on.' })
})

test('a provider that nobody runs is told as unavailable', async () => {
  const { reply } = await server.say(await server.begin({ model: 'gone/any' }), 'Hello')
  expect(reply).toMatchObject({ status: 'failed', attempt: 3, error: { code: 'provider_unavailable' } })
})

test('what a provider sends behind the end of its answer is no part of it, and counts that are none are not told', async () => {
  const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`
  const usage = { choices: [], usage: { prompt_tokens: '7', completion_tokens: { of: 3 } } }
  const end = `data: ${JSON.stringify(usage)}\n\ndata: [DONE]\n\n`
  const { reply } = await askOf(sends(`${chunk('Done.')}${end}${chunk(' And more.')}`))
  expect(reply).toMatchObject({
    status: 'completed',
    text: 'Done.',
    usage: { input_tokens: null, output_tokens: null },
  })
})

test('an endpoint that does not stream answers in one piece', async () => {
  const body = { choices: [{ message: { content: 'Whole.' }, finish_reason: 'stop' }] }
  const { reply } = await askOf(sends(JSON.stringify(body), 'application/json'))
  expect(reply).toMatchObject({ status: 'completed', text: 'Whole.' })
})
