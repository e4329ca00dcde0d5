import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let count = 0

beforeAll(async () => {
  upstream = await startUpstream()
  const endpoint = { base_url: upstream.url }
  server = await startServer({
    PROVIDERS: JSON.stringify({
      // Only here anybody takes too long: the others are asked on a busy machine, too.
      one: { ...endpoint, first_token_timeout_ms: 100 },
      two: endpoint,
      narrow: { ...endpoint, context_window_tokens: 1_000 },
      middling: { ...endpoint, context_window_tokens: 10_000 },
      wide: { ...endpoint, context_window_tokens: 1_000_000 },
      gone: { base_url: 'http://127.0.0.1:9/v1' },
    }),
    TOKEN_TIMEOUT_MS: '300',
    MAX_PROVIDER_FAILURES: '2',
    // Many fail here on purpose, and not because their provider is down.
    CIRCUIT_FAILURES: '1000',
  })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

/** A model of `provider` that nobody else asks, and how it behaves. */
function modelOf(provider: string, ...behaviours: Behaviour[]) {
  count += 1
  if (behaviours.length > 0) upstream.behaves(`m${count}`, ...behaviours)
  return `${provider}/m${count}`
}

function timesAsked(name: string) {
  return upstream.requests.filter(({ model }) => name.endsWith(`/${model}`)).length
}

/** What becomes of a message that these may answer, in this order. */
async function askOf(...model: string[]) {
  const { reply } = await server.say(await server.begin(), 'Hello', { model })
  return { reply, events: await server.events(`/v1/messages/${reply.id}/events`) }
}

const quota = { code: 'insufficient_quota' }
const faults: Array<[string, string, Behaviour | undefined]> = [
  ['says that its rate limit is reached', 'provider_rate_limited', refuses(429, { 'retry-after': '60' })],
  ['wants to be left alone for hours', 'provider_rate_limited', refuses(429, { 'retry-after': '7200' })],
  ['answers 500', 'provider_unavailable', refuses(500)],
  ['answers 503 and will for hours', 'provider_unavailable', refuses(503, { 'retry-after': '7200' })],
  ['cannot be reached', 'provider_unavailable', undefined],
  ['resets the connection', 'provider_unavailable', resets()],
  ['resets the connection before the first token', 'provider_interrupted', breaksAfter([])],
  ['ends before the first token', 'provider_interrupted', endsEarlyAfter([])],
  ['answers with a page of HTML', 'provider_malformed', sends('<html></html>', 'text/html')],
  ['never answers', 'provider_timeout', hangs()],
  ['is silent before the first token', 'provider_timeout', fallsSilentAfter([])],
  ['says nothing', 'provider_empty', says([])],
  ['sends an error as data', 'provider_unavailable', reportsErrorAfter([], { message: 'oh' })],
  ['refuses our key', 'provider_unauthorized', refuses(401)],
  ['does not know the model', 'model_not_found', refuses(404)],
  ['wants to be paid first', 'provider_quota_exceeded', refuses(429, {}, quota)],
  ['does not take the request', 'provider_rejected', refuses(400)],
]

describe.each(faults)('a provider that %s', (_, code, fault) => {
  test('hands over to the next model at once, before its first token', async () => {
    const first = fault ? modelOf('one', fault) : 'gone/any'
    const second = modelOf('two')
    const { reply, events } = await askOf(first, second)
    expect(reply).toMatchObject({ status: 'completed', text: 'You said: Hello', model: second, error: null })
    expect(reply.tried).toEqual([{ model: first, code, at: expect.any(String) }])
    expect(events.map(({ type, data }) => [type, data['model'] ?? data['next_model']]).slice(0, 3)).toEqual([
      ['reply.started', first],
      ['reply.retrying', second],
      ['reply.restarted', second],
    ])
    expect(events[1]?.data).toMatchObject({ error: { code }, retry_in_ms: 0 })
    if (fault && code !== 'provider_unavailable') expect(timesAsked(first)).toBe(1)
  })
})

test('a model that the conversation is too long for hands over to one of which no window is known', async () => {
  const first = modelOf('one', refuses(400, {}, { code: 'context_length_exceeded' }))
  const second = modelOf('two')
  const { reply } = await askOf(first, second)
  expect(reply).toMatchObject({ status: 'completed', model: second })
  expect(reply.tried).toMatchObject([{ model: first, code: 'context_length_exceeded' }])
})

test('a model that cannot do what is asked hands over to one that may', async () => {
  const next = modelOf('two', says(['{}']))
  const given = { model: ['builtin/eliza', next], response_format: { type: 'json_object' } }
  const { reply } = await server.say(await server.begin(), 'Hello', given)
  expect(reply).toMatchObject({ status: 'completed', text: '{}', model: next })
  expect(reply.tried).toMatchObject([{ model: 'builtin/eliza', code: 'unsupported_by_model' }])
})

describe('the next model is not asked', () => {
  test.each([
    ['breaks off after its first words', breaksAfter(['Half']), 'incomplete', 'provider_interrupted'],
    ['falls silent after its first words', fallsSilentAfter(['Half']), 'incomplete', 'provider_timeout'],
    ['holds the answer back', says([], { reason: 'content_filter' }), 'failed', 'content_filtered'],
  ] as const)('where the first %s', async (_, fault, status, code) => {
    const first = modelOf('one', fault)
    const second = modelOf('two')
    const { reply } = await askOf(first, second)
    expect(reply).toMatchObject({ status, model: first, tried: [], error: { code } })
    expect(timesAsked(second)).toBe(0)
  })

  test('where the conversation is too long for the first, and the next takes no more', async () => {
    const tooLong = refuses(400, {}, { code: 'context_length_exceeded' })
    const [first, narrow, wide] = [modelOf('middling', tooLong), modelOf('narrow'), modelOf('wide')]
    const { reply } = await askOf(first, narrow, wide)
    expect(reply).toMatchObject({ status: 'completed', model: wide })
    expect(reply.tried).toMatchObject([{ model: first, code: 'context_length_exceeded' }])
    expect(timesAsked(narrow)).toBe(0)
    expect((await askOf(modelOf('middling', tooLong), narrow)).reply).toMatchObject({
      status: 'failed',
      error: { code: 'context_length_exceeded' },
    })
  })
})

describe('when all have failed once', () => {
  test('the first is asked again, after a pause', async () => {
    const first = modelOf('two', refuses(500), echoes())
    const second = modelOf('wide', refuses(500))
    const { reply, events } = await askOf(first, second)
    expect(reply).toMatchObject({ status: 'completed', model: first, attempt: 3 })
    expect(reply.tried.map(({ model }: { model: string }) => model)).toEqual([first, second])
    const pauses = events.flatMap(({ data }) => data['retry_in_ms'] ?? [])
    expect(pauses[0]).toBe(0)
    expect(pauses[1]).toBeGreaterThan(0)
  })

  test('one that asked for a longer pause is not asked before that', async () => {
    const first = modelOf('two', refuses(429, { 'retry-after': '60' }))
    const second = modelOf('wide', refuses(500), echoes())
    const { reply } = await askOf(first, second)
    expect(reply).toMatchObject({ status: 'completed', model: second, attempt: 3 })
    expect(timesAsked(first)).toBe(1)
  })

  test('one that will say the same again is not asked again', async () => {
    const first = modelOf('two', refuses(401))
    const second = modelOf('wide', refuses(500), echoes())
    expect((await askOf(first, second)).reply).toMatchObject({ status: 'completed', model: second })
    expect(timesAsked(first)).toBe(1)
  })

  test('each time through the list is one try', async () => {
    const list = [modelOf('two', refuses(500)), modelOf('wide', refuses(503)), modelOf('narrow', says([]))]
    const { reply } = await askOf(...list)
    expect(reply).toMatchObject({ status: 'failed', attempt: 6, error: { code: 'provider_empty' } })
    // The last failure is the error of the reply; the same model failed before it, too.
    expect(reply.tried.map(({ model }: { model: string }) => model)).toEqual([...list, ...list].slice(0, -1))
  })

  test('and all say the same to everybody, the last of them is the error', async () => {
    const { reply } = await askOf(modelOf('two', refuses(401)), modelOf('wide', refuses(404)))
    expect(reply).toMatchObject({ status: 'failed', attempt: 2, error: { code: 'model_not_found' } })
  })
})

describe('the list of an interaction', () => {
  test('answers its posts, is shown, and is replaced as a whole', async () => {
    const [first, second] = [modelOf('one', refuses(500)), modelOf('two')]
    const id = await server.begin({ model: [first, second] })
    expect((await server.get(`/v1/interactions/${id}`)).body).toMatchObject({
      model: first,
      models: [first, second],
    })
    expect((await server.say(id, 'Hello')).reply).toMatchObject({ status: 'completed', model: second })
    expect((await server.request('PATCH', `/v1/interactions/${id}`, { title: 'T' })).body.models).toEqual([
      first,
      second,
    ])
    const { body } = await server.request('PATCH', `/v1/interactions/${id}`, { model: second })
    expect(body).toMatchObject({ model: second, models: null })
    expect((await server.request('PATCH', `/v1/interactions/${id}`, { model: [first] })).body).toMatchObject({
      model: first,
      models: null,
    })
  })

  test('is not asked by a post that names one model', async () => {
    const [first, second] = [modelOf('one', refuses(401)), modelOf('two')]
    const id = await server.begin({ model: [second, first] })
    expect((await server.say(id, 'Hello', { model: first })).reply).toMatchObject({ status: 'failed' })
    expect(timesAsked(second)).toBe(0)
  })
})

test('a post that comes again with its key is told what it was told', async () => {
  const [first, second] = [modelOf('one', refuses(500)), modelOf('two')]
  const path = `/v1/interactions/${await server.begin()}/messages`
  const post = () =>
    server.request('POST', path, { content: 'Hello', model: [first, second] }, { 'idempotency-key': first })
  const { body } = await post()
  await server.events(`/v1/messages/${body.reply.id}/events`)
  expect((await post()).body).toEqual(body)
})

describe('a list that is wrong is refused, by the name of what is wrong with it', () => {
  const nine = Array.from({ length: 9 }, (_, index) => `one/${index}`)
  test.each([
    ['has nobody', [], 'model'],
    ['has more than 8', nine, 'model'],
    ['names one twice', ['one/a', 'one/a'], 'model'],
    ['has an empty name', ['one/a', ''], 'model.1'],
    ['has something else', ['one/a', 7], 'model.1'],
    ['is something else', 7, 'model'],
  ])('it %s', async (_, model, field) => {
    const id = await server.begin()
    for (const [path, body] of [
      ['/v1/interactions', { model }],
      [`/v1/interactions/${id}/messages`, { content: 'Hello', model }],
    ] as const) {
      const answer = await server.post(path, body)
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ in: 'body', field }] } })
    }
  })

  test('it has a model that nobody serves', async () => {
    const bare = await startServer()
    const answer = await bare.post('/v1/interactions', { model: ['builtin/eliza', 'nobody/x'] })
    await bare.stop()
    expect(answer).toMatchObject({
      status: 422,
      body: { code: 'unknown_model', errors: [{ field: 'model.1' }] },
    })
  })
})
