import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { callsTools, says, startUpstream, type Upstream } from '../support/upstream.ts'

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

const named = (name: string) => ({ type: 'function' as const, name, parameters: null, strict: null })
const space = (name: string, ...functions: string[]) => ({
  type: 'namespace' as const,
  name,
  description: `All of ${name}`,
  tools: functions.map(named),
})
const tools = [named('search'), space('mail', 'search', 'send'), space('files', 'search')]

describe('functions of namespaces', () => {
  test('are told to the model by names of their own, and called by those of their client', async () => {
    const calls = callsTools([
      { id: 'call_1', name: 'mail__search', pieces: ['{}'] },
      { id: 'call_2', name: 'send', pieces: ['{}'] },
      { id: 'call_3', name: 'search', pieces: ['{}'] },
    ])
    upstream.behaves('spaces', calls, says(['Done.']))
    const asked = { model: 'openai/spaces', tools }
    const stream = client.responses.stream({ ...asked, input: 'Tidy up' })
    const response = await stream.finalResponse()
    expect((await upstream.asked('spaces')).body['tools']).toMatchObject(
      ['search', 'mail__search', 'send', 'files__search'].map((name) => ({ function: { name } })),
    )
    expect(response.tools).toMatchObject(tools)
    const [search, send, own] = response.output
    expect(search).toMatchObject({ type: 'function_call', name: 'search', namespace: 'mail' })
    expect(send).toMatchObject({ type: 'function_call', name: 'send', namespace: 'mail' })
    expect(own).not.toHaveProperty('namespace')
    expect(response.output).toMatchObject((await client.responses.retrieve(response.id)).output)

    const results = ['call_1', 'call_2', 'call_3'].map((call_id) => ({
      type: 'function_call_output' as const,
      call_id,
      output: 'ok',
    }))
    const input = [{ role: 'user', content: 'Tidy up' }, ...response.output, ...results]
    expect(await client.responses.create({ ...asked, input: input as never })).toMatchObject({
      output_text: 'Done.',
    })
    const { messages } = (await upstream.asked('spaces', 2)).body
    expect(messages[1]).toMatchObject({
      tool_calls: ['mail__search', 'send', 'search'].map((name) => ({ function: { name } })),
    })
  })

  test('are kept as they were called, through every door', async () => {
    upstream.behaves('one-space', callsTools([{ id: 'call_1', name: 'send', pieces: ['{}'] }]))
    const { id: conversation } = await client.conversations.create()
    const asked = { model: 'openai/one-space', conversation, tools, input: 'Send it' }
    const { id } = await client.responses.create(asked)
    const { data } = await client.conversations.items.list(conversation)
    expect(data[0]).toMatchObject({ type: 'function_call', name: 'send', namespace: 'mail' })
    const digits = /^resp_(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(id)?.slice(1) ?? []
    const { content } = (await server.get(`/v1/messages/${digits.join('-')}`)).body
    expect(content).toMatchObject([{ type: 'tool_call', name: 'send', namespace: 'mail' }])
  })
})

const long = 'n'.repeat(60)
const many = Array.from({ length: 100 }, (_, index) => `f${index}`)
const impossible: Array<[name: string, body: object, param: string]> = [
  ['a call of a tool without tools', { tool_choice: 'required' }, 'tool_choice'],
  ['a tool that is not there', { tools, tool_choice: { type: 'function', name: 'fly' } }, 'tool_choice'],
  [
    'tools that are not there',
    {
      tools,
      tool_choice: {
        type: 'allowed_tools',
        tools: [named('send'), named('fly')].map(({ type, name }) => ({ type, name })),
      },
    },
    'tool_choice.tools[1].name',
  ],
  ['two tools of one name', { tools: [named('search'), named('search')] }, 'tools[1].name'],
  ['a namespace with two of one name', { tools: [space('mail', 'send', 'send')] }, 'tools[0].tools[1].name'],
  [
    'what has no room for its namespace',
    { tools: [named('search'), space(long, 'search')] },
    'tools[1].tools[0].name',
  ],
  [
    'too many in all',
    { tools: [space('a', ...many), space('b', ...many.map((name) => `${name}b`))] },
    'tools',
  ],
  [
    'a namespace of other tools',
    { tools: [{ ...space('a'), tools: [{ type: 'custom', name: 'x' }] }] },
    'tools[0].tools[0].type',
  ],
]

test.each(impossible)('%s is refused by name', async (_, body, param) => {
  const answer = await server.post('/v1/responses', { model: 'openai/echo', input: 'Hello', ...body })
  expect(answer).toMatchObject({ status: 400, body: { error: { param } } })
})

test('what Codex says of itself is accepted', async () => {
  const client_metadata = { turn_id: '1', 'x-codex-turn-metadata': '{}' }
  const body = { model: 'openai/echo', input: 'Hello', client_metadata }
  expect(await server.post('/v1/responses', body)).toMatchObject({ status: 200 })
})
