import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { callsTools, echoes, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let client: OpenAI

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const user = { role: 'user', content: 'Hello' }
const call = (id: string) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })
const output = (id: string) => ({ type: 'function_call_output', call_id: id, output: 'x' })

const said: Array<[name: string, input: object[], refused?: { param: string; message?: string }]> = [
  ['a call and what came of it', [user, call('a'), output('a')]],
  ['two calls, and what came of them in any order', [user, call('a'), call('b'), output('b'), output('a')]],
  ['one id that a model used twice', [call('a'), output('a'), user, call('a'), output('a')]],
  ['a result before its call', [output('a'), user, call('a')], { param: 'input[0].call_id' }],
  ['a second result', [user, call('a'), output('a'), output('a')], { param: 'input[3].call_id' }],
  [
    'a call without a result',
    [user, call('a'), call('b'), output('a')],
    { param: 'input', message: 'No tool output found for function call b.' },
  ],
]

test.each(said)('%s', async (_, input, refused) => {
  const answer = await server.post('/v1/responses', { model: 'openai/echo', input })
  expect(answer.status).toBe(refused ? 400 : 200)
  if (refused) expect(answer.body.error).toMatchObject({ type: 'invalid_request_error', ...refused })
})

describe('behind an answer that calls', () => {
  const tools = [{ type: 'function' as const, name: 'f', parameters: null, strict: null }]
  const calls = callsTools([{ id: 'call_1', name: 'f', pieces: ['{}'] }])
  const noOutput = { error: { param: 'input', message: 'No tool output found for function call call_1.' } }

  test.each(['previous_response_id', 'conversation'])(
    'by %s, nothing is said without its result',
    async (by) => {
      const model = `calls-by-${by}`
      upstream.behaves(model, calls, echoes())
      const conversation = by === 'conversation' ? (await client.conversations.create()).id : null
      const first = await client.responses.create({
        model: `openai/${model}`,
        tools,
        input: 'Hello',
        conversation,
      })
      const origin = conversation === null ? { previous_response_id: first.id } : { conversation }
      const ask = (input: object[]) =>
        server.post('/v1/responses', { model: `openai/${model}`, ...origin, input })
      expect(await ask([user])).toMatchObject({ status: 400, body: noOutput })
      expect(await ask([output('call_1'), output('call_1')])).toMatchObject({
        status: 400,
        body: { error: { param: 'input[1].call_id' } },
      })
      const answered = await ask([output('call_1'), user])
      expect(answered).toMatchObject({ status: 200, body: { status: 'completed' } })
      if (conversation !== null) expect(await ask([user])).toMatchObject({ status: 200 })
    },
  )

  test('a result whose call was deleted cuts off nothing of what was said before', async () => {
    const model = 'deleted-call'
    upstream.behaves(model, calls, echoes())
    const conversation = (await client.conversations.create()).id
    const asked = { model: `openai/${model}`, conversation }
    await client.responses.create({ ...asked, tools, input: 'My word is papaya' })
    await client.responses.create({ ...asked, input: [output('call_1') as never] })
    const { data } = await client.conversations.items.list(conversation)
    const made = data.find(({ type }) => type === 'function_call')
    await client.conversations.items.delete(made?.id ?? '', { conversation_id: conversation })
    await client.responses.create({ ...asked, input: 'Which?' })
    const { messages } = (await upstream.asked(model, 3)).body
    expect(messages.map(({ content }) => content)).toEqual(['My word is papaya', 'You said: x', 'Which?'])
  })
})

test('two calls that a model gives one id are told and answered each by itself', async () => {
  const tools = [{ type: 'function' as const, name: 'f', parameters: null, strict: null }]
  const twice = (city: string) => ({ id: 'call_1', name: 'f', pieces: [`{"city":"${city}"}`] })
  upstream.behaves('repeats-ids', callsTools([twice('Rome'), twice('Bonn')]), echoes())
  const stream = client.responses.stream({ model: 'openai/repeats-ids', tools, input: 'Weather?' })
  const done: string[] = []
  stream.on('response.function_call_arguments.done', (event) => done.push(event.item_id))
  const response = await stream.finalResponse()
  expect(done).toEqual(response.output.map(({ id }) => id))
  expect(response.output).toMatchObject([
    { call_id: 'call_1', arguments: '{"city":"Rome"}' },
    { arguments: '{"city":"Bonn"}' },
  ])
  const callIds = response.output.flatMap((item) => (item.type === 'function_call' ? [item.call_id] : []))
  expect(new Set(callIds)).toHaveProperty('size', 2)
  await client.responses.create({
    model: 'openai/repeats-ids',
    previous_response_id: response.id,
    input: callIds.toReversed().map(output) as never,
  })
  const { messages } = (await upstream.asked('repeats-ids', 2)).body
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'tool'])
})
