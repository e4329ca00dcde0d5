import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { refuses, startUpstream, type Upstream } from '../support/upstream.ts'
import { speaks, vendorWires } from '../support/vendor-wires.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  const { origin } = new URL(upstream.url)
  server = await startServer({
    MAX_PROVIDER_FAILURES: '2',
    CONTINUING_PROVIDERS: 'anthropic, mistral',
    ...Object.assign({}, ...vendorWires.map(({ env }) => env(origin))),
  })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

describe.each(vendorWires)('$name', (wire) => {
  /** Each vendor has models of its own, as the mock tells them apart by name. */
  const named = (model: string) => `${wire.name}-${model}`
  const begin = (model: string) => server.begin({ model: `${wire.name}/${model}`, prompt: 'Be brief.' })

  test('is asked on its own wire with its key, and answers token by token', async () => {
    upstream.behaves(named('talks'), speaks(wire, ['Good ', 'day']))
    const { reply } = await server.say(await begin(named('talks')), 'Hello there')
    expect(reply).toMatchObject({
      status: 'completed',
      text: 'Good day',
      finish_reason: 'stop',
      model: `${wire.name}/${named('talks')}`,
      usage: { input_tokens: 11, output_tokens: 7 },
    })

    const request = await upstream.asked(named('talks'))
    expect(request.path).toBe(wire.path(named('talks')))
    expect(wire.credentials(request.headers)).toBe(wire.expectedCredentials)
    expect(JSON.stringify(request.body)).toMatch(/Be brief\..*Hello there|Hello there.*Be brief\./)
  })

  test('that breaks off before its first token is asked again, and afterwards is incomplete', async () => {
    upstream.behaves(named('breaks'), speaks(wire, [], 'ends early'), speaks(wire, ['Good '], 'ends early'))
    const { reply } = await server.say(await begin(named('breaks')), 'Hello')
    expect(reply).toMatchObject({
      status: 'incomplete',
      text: 'Good ',
      attempt: 2,
      error: { code: 'provider_interrupted' },
    })
  })

  test('that reports a failure in its stream is asked again', async () => {
    upstream.behaves(named('overloaded'), speaks(wire, [], 'is overloaded'), speaks(wire, ['Good ', 'day']))
    const { reply } = await server.say(await begin(named('overloaded')), 'Hello')
    expect(reply).toMatchObject({ status: 'completed', text: 'Good day', attempt: 2 })
  })

  test('that refuses its key is not asked again', async () => {
    upstream.behaves(named('refuses'), refuses(401, {}, { message: 'key-of-the-vendor is wrong' }))
    const { reply } = await server.say(await begin(named('refuses')), 'Hello')
    expect(reply).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'provider_unauthorized' } })
    expect(JSON.stringify(reply)).not.toContain('is wrong')
  })

  test('that is rate limited is asked again when it says', async () => {
    upstream.behaves(
      named('limits'),
      refuses(429, { 'retry-after-ms': '30' }),
      speaks(wire, ['Good ', 'day']),
    )
    const { reply } = await server.say(await begin(named('limits')), 'Hello')
    expect(reply).toMatchObject({ status: 'completed', attempt: 2 })
    const [first, second] = [
      await upstream.asked(named('limits'), 1),
      await upstream.asked(named('limits'), 2),
    ]
    expect(second.at - first.at).toBeGreaterThanOrEqual(29)
  })

  test('is let go when its answer is not wanted any more', async () => {
    upstream.behaves(named('silent'), speaks(wire, ['Good '], 'falls silent'))
    const id = await begin(named('silent'))
    await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })
    const { closed } = await upstream.asked(named('silent'))
    await server.request('DELETE', `/v1/interactions/${id}`)
    await closed
  })
})

test('where CONTINUING_PROVIDERS names it, a vendor goes on with what it said', async () => {
  const wires = vendorWires.filter(({ name }) => ['anthropic', 'mistral', 'google'].includes(name))
  const asked = wires.map(async (wire) => {
    const model = `${wire.name}-continues`
    upstream.behaves(model, speaks(wire, ['Good '], 'falls silent'), speaks(wire, [' day']))
    const id = await server.begin({ model: `${wire.name}/${model}`, on_crash: 'continue' })
    const { body } = await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })
    const path = `/v1/messages/${body.reply.id}`
    const { events } = await server.open(`${path}/events`)
    for await (const { type } of events) if (type === 'text.delta') break
    return { model, path }
  })
  const [anthropic, google, mistral] = await Promise.all(asked)
  await server.restart()
  for (const { path } of [anthropic, google, mistral].filter((one) => one !== undefined))
    await server.events(`${path}/events`)
  const textIn = async (path = '') => (await server.get(path)).body.text
  const lastOf = async (model = '') => (await upstream.asked(model, 2)).body.messages.at(-1)
  expect(await textIn(anthropic?.path)).toBe('Good day')
  expect(await lastOf(anthropic?.model)).toMatchObject({
    role: 'assistant',
    content: [{ type: 'text', text: 'Good' }],
  })
  expect(await textIn(mistral?.path)).toBe('Good day')
  expect(await lastOf(mistral?.model)).toMatchObject({ role: 'assistant', content: 'Good', prefix: true })
  // It is not named.
  expect(await textIn(google?.path)).toBe(' day')
})

test('OpenAI is told to store nothing: the conversation is kept here', async () => {
  const { body } = upstream.requests.find(({ path }) => path.endsWith('/responses')) ?? {}
  expect(body).toMatchObject({ store: false, stream: true })
})

test('Bedrock takes an access key too, and signs with it', async () => {
  const { origin } = new URL(upstream.url)
  const signing = await startServer({
    BEDROCK_BASE_URL: `${origin}/bedrock`,
    BEDROCK_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_SESSION_TOKEN: 'session',
  })
  const wire = vendorWires.find(({ name }) => name === 'bedrock')
  if (wire) upstream.behaves('signed', speaks(wire, ['Good day']))
  const { reply } = await signing.say(await signing.begin({ model: 'bedrock/signed' }), 'Hello')
  const { headers } = await upstream.asked('signed')
  await signing.stop()
  expect(reply.text).toBe('Good day')
  expect(headers.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d+\/eu-central-1\/bedrock\//,
  )
  expect(headers['x-amz-security-token']).toBe('session')
})
