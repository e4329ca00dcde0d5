import { describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer } from '../support/server.ts'
import {
  type Behaviour,
  endsEarlyAfter,
  refuses,
  says,
  sends,
  sendsAfter,
  startUpstream,
} from '../support/upstream.ts'
import { until } from '../support/until.ts'

const apiKey = 'the-key-of-this-server'
const providerKey = 'the-key-of-the-provider'
const prompt = 'the-prompt-that-nobody-may-read'
const answer = 'the-answer-that-nobody-may-read'

const info = 30

const behaviours: Record<string, Behaviour> = {
  talks: says([answer]),
  refuses: refuses(400, {}, { code: 'bad_request' }),
  // What a provider repeats of it.
  repeats: refuses(400, {}, { message: `invalid: ${prompt} ${providerKey}` }),
  'repeats-later': sendsAfter([answer], `data: {"error":{"message":"${prompt}"}}\n\n`),
  malformed: sendsAfter([answer], `data: {"choices": "${answer}\n\n`),
  'other-type': sends(answer, 'text/html'),
  'no-event': sends(answer),
  'breaks-off': endsEarlyAfter([answer]),
}

test('no prompt, no answer and no key of ours is in the log', async () => {
  const lines: string[] = []
  const upstream = await startUpstream()
  const env = {
    OPENAI_BASE_URL: upstream.url,
    OPENAI_API_KEY: providerKey,
    API_KEY: apiKey,
    MAX_PROVIDER_FAILURES: '1',
  }
  const parley = await startServer(env, (line) => lines.push(line))
  for (const [model, behaviour] of Object.entries(behaviours)) {
    upstream.behaves(model, behaviour)
    const id = await parley.begin({ model: `openai/${model}`, prompt, title: prompt })
    await parley.say(id, `${prompt}, please`)
  }
  await parley.post('/v1/interactions', `{"title": "${prompt}`)
  await parley.post('/interactions/', { role: prompt, prompt })
  await parley.get(`/v1/interactions/${prompt}?title=${prompt}`)
  await parley.request('GET', '/v1/models', undefined, { authorization: `Bearer ${apiKey}wrong` })
  await parley.stop()
  await upstream.stop()

  // Whoever asks for more than `info` asks for what providers say, too.
  const log = lines.filter((line) => (JSON.parse(line) as { level: number }).level >= info).join('')
  expect(log).toContain('provider failed')
  for (const secret of [prompt, answer, apiKey, providerKey]) expect(log).not.toContain(secret)
})

test('every request is in the log under the id that its answer carries', async () => {
  const lines: string[] = []
  const parley = await startServer({}, (line) => lines.push(line))
  const id = await parley.begin()
  const answers = [
    { ...(await parley.get(`/v1/interactions/${id}`)), route: '/v1/interactions/:id', method: 'GET' },
    { ...(await parley.post('/interactions/', { role: 'x' })), route: '/interactions/', method: 'POST' },
    { ...(await parley.get('/nowhere')), route: 'unknown', method: 'GET' },
  ]
  for (const { headers, status, route, method } of answers) {
    const requestId = headers.get('x-request-id')
    const found = await until('logged', () =>
      lines.map((line): Json => JSON.parse(line)).find(({ req_id }) => req_id === requestId),
    )
    expect(found).toMatchObject({ method, route, status, ms: expect.any(Number) })
  }
  expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(3)
  expect(lines.join('')).not.toContain(id)
  await parley.stop()
})

test('an id that a client sends along is not taken for ours', async () => {
  const parley = await startServer()
  const { headers } = await parley.request('GET', '/v1/models', undefined, { 'x-request-id': 'mine' })
  expect(headers.get('x-request-id')).not.toBe('mine')
  await parley.stop()
})

describe('behind a proxy', () => {
  test('a request keeps the id that the proxy gave it', async () => {
    const parley = await startServer({ TRUST_PROXY: 'on' })
    const given = { 'x-request-id': '6c1f8e0b7d2a4f3e9b8c7d6e5f4a3b2c' }
    const { headers } = await parley.request('GET', '/v1/models', undefined, given)
    expect(headers.get('x-request-id')).toBe(given['x-request-id'])
    await parley.stop()
  })

  test('an id that is none is not taken', async () => {
    const parley = await startServer({ TRUST_PROXY: 'on' })
    for (const id of ['', 'short', 'with spaces in it', '"quoted-and-long"', 'x'.repeat(65)]) {
      const { headers } = await parley.request('GET', '/v1/models', undefined, { 'x-request-id': id })
      expect(headers.get('x-request-id'), id).toMatch(/^[\w-]{20,60}$/)
    }
    await parley.stop()
  })
})
