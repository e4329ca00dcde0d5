import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { refuses, sends, startUpstream, type Upstream } from '../support/upstream.ts'
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

describe('what a vendor wants back', () => {
  const frames = (...events: Array<{ type: string }>) =>
    events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
  const block = (index: number, content_block: object, ...deltas: object[]) => [
    { type: 'content_block_start', index, content_block },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]

  test('comes back to it with its thoughts and calls, is not shown, and goes to nobody else', async () => {
    const message = {
      type: 'message',
      id: 'm',
      model: 'm',
      role: 'assistant',
      content: [],
      stop_reason: null,
    }
    const usage = { input_tokens: 11, output_tokens: 1 }
    upstream.behaves(
      'anthropic-thinks',
      sends(
        frames(
          { type: 'message_start', message: { ...message, stop_sequence: null, usage } } as { type: string },
          ...block(
            0,
            { type: 'thinking', thinking: '', signature: '' },
            { type: 'thinking_delta', thinking: 'They want ' },
            { type: 'thinking_delta', thinking: 'the weather.' },
            { type: 'signature_delta', signature: 'c2lnbmVk' },
          ),
          ...block(1, { type: 'redacted_thinking', data: 'c2VjcmV0' }),
          ...block(
            2,
            { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: {} },
            { type: 'input_json_delta', partial_json: '{"city":' },
            { type: 'input_json_delta', partial_json: '"Rome"}' },
          ),
          { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage } as {
            type: string
          },
          { type: 'message_stop' },
        ),
      ),
      speaks(vendorWires.find(({ name }) => name === 'anthropic') as (typeof vendorWires)[number], [
        'Sunny.',
      ]),
    )
    upstream.behaves('mistral-goes-on', refuses(400))
    const tools = [{ name: 'get_weather' }]
    const id = await server.begin({ model: 'anthropic/anthropic-thinks' })
    const { reply } = await server.say(id, 'The weather in Rome?', { tools })
    expect(reply).toMatchObject({ status: 'completed', finish_reason: 'tool-calls' })
    expect(reply.content).toEqual([
      { type: 'reasoning', text: 'They want the weather.' },
      { type: 'tool_call', call_id: 'toolu_1', name: 'get_weather', arguments: '{"city":"Rome"}' },
    ])
    expect(JSON.stringify(reply)).not.toMatch(/c2lnbmVk|c2VjcmV0/)

    const content = [{ type: 'tool_result', call_id: 'toolu_1', output: 'sun' }]
    const answered = await server.say(id, content, { role: 'Tool', tools })
    expect(answered.reply.text).toBe('Sunny.')
    const { messages } = (await upstream.asked('anthropic-thinks', 2)).body
    expect(messages).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'They want the weather.', signature: 'c2lnbmVk' },
          { type: 'redacted_thinking', data: 'c2VjcmV0' },
          { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Rome' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'sun' }] },
    ])

    await server.say(id, 'And now?', { model: 'mistral/mistral-goes-on' })
    expect(JSON.stringify((await upstream.asked('mistral-goes-on')).body)).not.toMatch(/c2lnbmVk|They want/)
  })

  test.each([
    ['openai', { parallel_tool_calls: false, store: false }],
    ['anthropic', { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }],
    ['mistral', { parallel_tool_calls: false }],
  ])('of %s for one call at a time is said in its own words', async (name, expected) => {
    const wire = vendorWires.find((each) => each.name === name) as (typeof vendorWires)[number]
    upstream.behaves(`${name}-single`, speaks(wire, ['Fine']))
    const id = await server.begin({ model: `${name}/${name}-single` })
    await server.say(id, 'Hello', { tools: [{ name: 'look' }], parallel_tool_calls: false })
    expect((await upstream.asked(`${name}-single`)).body).toMatchObject(expected)
  })

  test('where it cannot take such a file is a clear end, and not tried again', async () => {
    const id = await server.begin({ model: 'mistral/mistral-blind' })
    const { reply } = await server.say(id, [{ type: 'file', url: 'data:video/mp4;base64,AAAA' }])
    expect(reply).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'unsupported_by_model' } })
  })
})
