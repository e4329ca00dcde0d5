import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import {
  begin,
  type Behaviour,
  echoes,
  finish,
  says,
  sendChunk,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

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

let models = 0
const newModel = () => `model-${(models += 1)}`

const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'The weather of a place',
  parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  strict: true,
} as const

/** Calls the tool `get_weather`, its arguments in two pieces. */
function callsWeather(callId = 'call_1'): Behaviour {
  return (response) => {
    begin(response)
    const call = { index: 0, id: callId, type: 'function', function: { name: 'get_weather', arguments: '' } }
    sendChunk(response, { tool_calls: [call] })
    for (const piece of ['{"place":', '"Rome"}']) {
      sendChunk(response, { tool_calls: [{ index: 0, function: { arguments: piece } }] })
    }
    finish(response, 'tool_calls')
  }
}

describe('tools', () => {
  test('are called by the client, and the model goes on with what came of it', async () => {
    const model = newModel()
    upstream.behaves(model, callsWeather(), says(['Sunny.']))
    const asked = { model: `openai/${model}`, tools: [weather] }
    const first = await client.responses.create({ ...asked, input: 'How is the weather in Rome?' })
    expect(first.output).toMatchObject([
      { type: 'function_call', call_id: 'call_1', name: 'get_weather', arguments: '{"place":"Rome"}' },
    ])
    expect(first.tools).toEqual([weather])
    const second = await client.responses.create({
      ...asked,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: 'call_1', output: 'sun, 25 degrees' }],
    })
    expect(second.output_text).toBe('Sunny.')
    const { messages, tools } = (await upstream.asked(model, 2)).body
    expect(tools).toMatchObject([{ type: 'function', function: { name: 'get_weather' } }])
    expect(messages).toMatchObject([
      { role: 'user', content: 'How is the weather in Rome?' },
      { role: 'assistant', tool_calls: [{ id: 'call_1', function: { arguments: '{"place":"Rome"}' } }] },
      { role: 'tool', tool_call_id: 'call_1', content: 'sun, 25 degrees' },
    ])
    const items = await client.responses.inputItems.list(second.id)
    expect(items.data).toMatchObject([{ type: 'function_call_output', call_id: 'call_1' }])
  })

  test('can be gone on with from a client that keeps all of it itself', async () => {
    const model = newModel()
    upstream.behaves(model, callsWeather(), says(['Sunny.']))
    const asked = { model: `openai/${model}`, tools: [weather], store: false }
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'How is the weather?' }]
    const first = await client.responses.create({ ...asked, input })
    input.push(...(first.output as OpenAI.Responses.ResponseInput), {
      type: 'function_call_output',
      call_id: 'call_1',
      output: 'sun',
    })
    expect((await client.responses.create({ ...asked, input })).output_text).toBe('Sunny.')
    const { messages } = (await upstream.asked(model, 2)).body
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
  })

  test('are told of piece by piece', async () => {
    const model = newModel()
    upstream.behaves(model, callsWeather())
    const stream = client.responses.stream({ model: `openai/${model}`, tools: [weather], input: 'Rome?' })
    const types: string[] = []
    for await (const { type } of stream) types.push(type)
    expect([...new Set(types)]).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ])
    const [item] = (await stream.finalResponse()).output
    expect(item).toMatchObject({ type: 'function_call', status: 'completed', arguments: '{"place":"Rome"}' })
  })

  test('may be narrowed to some, or to one', async () => {
    const model = newModel()
    const other = { ...weather, name: 'get_time' }
    const allowed = {
      type: 'allowed_tools' as const,
      mode: 'auto' as const,
      tools: [{ type: 'function', name: 'get_time' }],
    }
    const asked = { model: `openai/${model}`, tools: [weather, other], input: 'Hello' }
    const response = await client.responses.create({ ...asked, tool_choice: allowed })
    expect(response).toMatchObject({ tools: [weather, other], tool_choice: allowed })
    expect((await upstream.asked(model)).body['tools']).toMatchObject([{ function: { name: 'get_time' } }])
    const choice = { type: 'function' as const, name: 'get_weather' }
    expect((await client.responses.create({ ...asked, tool_choice: choice })).tool_choice).toEqual(choice)
    expect((await upstream.asked(model, 2)).body['tool_choice']).toMatchObject({
      function: { name: 'get_weather' },
    })
  })
})

describe('an answer', () => {
  test('has the form that was asked for', async () => {
    const model = newModel()
    upstream.behaves(model, says(['{"city":', '"Rome"}']))
    const format = {
      type: 'json_schema' as const,
      name: 'place',
      schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      strict: true,
    }
    const response = await client.responses.parse({
      model: `openai/${model}`,
      input: 'Where?',
      text: { format },
    })
    expect(response.output_parsed).toEqual({ city: 'Rome' })
    expect(response.text?.format).toMatchObject(format)
    expect((await upstream.asked(model)).body['response_format']).toMatchObject({ type: 'json_schema' })
  })

  test('is held to a schema only where that is strict', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const ask = async (words: string, strict?: boolean | null) => {
      const model = newModel()
      upstream.behaves(model, says([words]))
      const format = { type: 'json_schema', name: 'place', schema, ...(strict !== undefined && { strict }) }
      return (
        await server.post('/v1/responses', { model: `openai/${model}`, input: 'Where?', text: { format } })
      ).body
    }
    for (const strict of [undefined, null, false]) {
      expect(await ask('{"town":"Rome"}', strict)).toMatchObject({
        status: 'completed',
        text: { format: { strict: false } },
      })
    }
    expect(await ask('Rome', false)).not.toMatchObject({ status: 'completed' })
    expect(await ask('{"town":"Rome"}', true)).not.toMatchObject({ status: 'completed' })
  })

  test('is held to a schema of its own where it is made anew, however the first one was', async () => {
    const format = { type: 'json_schema', name: 'place', schema: { type: 'object', required: ['city'] } }
    const model = newModel()
    upstream.behaves(model, says(['{"town":"Rome"}']))
    const asked = { model: `openai/${model}`, input: 'Where?', text: { format } }
    const { id } = (await server.post('/v1/responses', asked)).body
    const uuid = id.replace(/^resp_(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    const anew = async (body: object) =>
      (await server.post(`/v1/messages/${uuid}/regenerate`, { ...body, wait_ms: 15_000 })).body.reply
    expect(await anew({})).toMatchObject({ status: 'completed' })
    expect(await anew({ response_format: format })).toMatchObject({
      status: 'incomplete',
      error: { code: 'invalid_output' },
    })
  })

  test('is thought about first, and tells what was thought', async () => {
    const model = newModel()
    upstream.behaves(
      model,
      says(['Yes'], { before: [{ reasoning_content: 'Let me ' }, { reasoning_content: 'see' }] }),
    )
    const response = await client.responses.create({ model: `openai/${model}`, input: 'Is it?' })
    expect(response.output).toMatchObject([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Let me see' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Yes' }] },
    ])
    const again = await client.responses.create({
      model: 'openai/echo',
      input: [
        { role: 'user', content: 'Is it?' },
        ...response.output.map(({ id }) => ({ type: 'item_reference' as const, id: id ?? '' })),
        { role: 'user', content: 'Sure?' },
      ],
    })
    const items = await client.responses.inputItems.list(again.id, { order: 'asc' })
    expect(items.data.map(({ type }) => type)).toEqual(['message', 'reasoning', 'message', 'message'])
  })

  test('is given to pictures and files', async () => {
    const model = newModel()
    const png = 'data:image/png;base64,iVBORw0KGgo='
    const { id } = await client.responses.create({
      model: `openai/${model}`,
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is this?' },
            { type: 'input_image', image_url: png, detail: 'low' },
          ],
        },
      ],
    })
    const [message] = (await upstream.asked(model)).body.messages
    expect(message?.content).toMatchObject([{ type: 'text' }, { type: 'image_url', image_url: { url: png } }])
    const items = await client.responses.inputItems.list(id)
    expect(items.data).toMatchObject([
      { content: [{ type: 'input_text' }, { type: 'input_image', image_url: png, detail: 'low' }] },
    ])
  })
})

describe('a conversation', () => {
  test('that began elsewhere is gone on with, under its own instructions', async () => {
    const model = newModel()
    const id = await server.begin({ model: `openai/${model}`, prompt: 'Be kind.' })
    await server.say(id, 'I am Alice')
    const conversation = `conv_${id.replaceAll('-', '')}`
    const response = await client.responses.create({ conversation, input: 'Who am I?' })
    expect(response.conversation).toEqual({ id: conversation })
    expect((await upstream.asked(model, 2)).body.messages.map(({ content }) => content)).toEqual([
      'Be kind.',
      'I am Alice',
      'You said: I am Alice',
      'Who am I?',
    ])
    await client.responses.delete(response.id)
    await expect(client.responses.retrieve(response.id)).rejects.toMatchObject({ status: 404 })
    const { data } = (await server.get(`/v1/interactions/${id}/messages`)).body
    expect(data).toHaveLength(4)
  })

  test('tells with its responses what their models were really asked, and that stays', async () => {
    const id = await server.begin({
      model: 'openai/settled',
      prompt: 'Be kind.',
      temperature: 0.3,
      max_output_tokens: 50,
    })
    const conversation = `conv_${id.replaceAll('-', '')}`
    const response = await client.responses.create({ conversation, input: 'Hello', top_p: 0.9 })
    const told = { instructions: 'Be kind.', temperature: 0.3, max_output_tokens: 50, top_p: 0.9 }
    expect(response).toMatchObject(told)
    expect((await upstream.asked('settled')).body).toMatchObject({ temperature: 0.3, top_p: 0.9 })
    await server.request('PATCH', `/v1/interactions/${id}`, { prompt: null, temperature: 1 })
    expect(await client.responses.retrieve(response.id)).toMatchObject(told)
    const instructed = await client.responses.create({
      conversation,
      input: 'Hello',
      instructions: 'Be brief.',
    })
    expect(instructed).toMatchObject({ instructions: 'Be brief.', temperature: 1 })
  })

  test('that does not fit is refused, or truncated where it may be', async () => {
    // The windows of models are known once they were listed.
    await client.models.list()
    const said = { role: 'user' as const, content: 'I am sad. '.repeat(1_000) }
    const asked = { model: 'builtin/eliza', input: Array.from({ length: 20 }, () => said) }
    const refused = await client.responses.create(asked).catch((error: unknown) => error)
    expect(refused).toMatchObject({ status: 400, code: 'context_length_exceeded' })
    expect(await client.responses.create({ ...asked, truncation: 'auto' })).toMatchObject({
      status: 'completed',
      truncation: 'auto',
    })
  })

  test('is summed up, and gone on with from there', async () => {
    const model = newModel()
    upstream.behaves(model, says(['Alice likes Rome.']), echoes())
    const compacted = await client.responses.compact({
      model: `openai/${model}`,
      input: [
        { role: 'user', content: 'I am Alice' },
        { role: 'assistant', content: 'Hello' },
        { role: 'user', content: 'I like Rome' },
      ],
    })
    expect(compacted).toMatchObject({ object: 'response.compaction', output: [{ type: 'compaction' }] })
    await client.responses.create({
      model: `openai/${model}`,
      input: [
        ...compacted.output,
        { role: 'user', content: 'Where shall I go?' },
      ] as OpenAI.Responses.ResponseInput,
    })
    expect((await upstream.asked(model, 2)).body.messages).toEqual([
      { role: 'user', content: expect.stringContaining('Alice likes Rome.') },
      { role: 'user', content: 'Where shall I go?' },
    ])
  })

  test('is counted before it is asked', async () => {
    const count = async (more: object) =>
      (await client.responses.inputTokens.count({ model: 'openai/echo', ...more })).input_tokens
    const bare = await count({ input: 'How are you today?' })
    expect(bare).toBeGreaterThan(3)
    expect(bare).toBeLessThan(20)
    const { id } = await client.responses.create({ model: 'openai/echo', input: 'word '.repeat(100) })
    expect(await count({ previous_response_id: id, input: 'How are you today?' })).toBeGreaterThan(bare + 150)
    expect(await count({ instructions: 'word '.repeat(100), input: 'How are you today?' })).toBeGreaterThan(
      bare + 80,
    )
  })
})

const refusals: Array<[name: string, body: object, error: object]> = [
  ['no input', {}, { param: 'input', code: 'missing_required_parameter' }],
  ['an unknown field', { inptu: 'x' }, { param: 'inptu', code: 'unknown_parameter' }],
  [
    'a tool of the server',
    { tools: [{ type: 'web_search' }] },
    { param: 'tools[0].type', code: 'unsupported_parameter' },
  ],
  [
    'another management of the context',
    { context_management: [{ type: 'editing' }] },
    { param: 'context_management[0].type', code: 'unsupported_parameter' },
  ],
  [
    'a compaction of next to nothing',
    { context_management: [{ type: 'compaction', compact_threshold: 999 }] },
    { param: 'context_management[0].compact_threshold', code: 'invalid_value' },
  ],
  ['a prompt template', { prompt: { id: 'pmpt_1' } }, { param: 'prompt', code: 'unsupported_parameter' }],
  ['log probabilities', { top_logprobs: 3 }, { param: 'top_logprobs', code: 'unsupported_parameter' }],
  [
    'an item of another kind',
    { input: [{ type: 'mcp_call' }] },
    { param: 'input[0].type', code: 'unsupported_parameter' },
  ],
  [
    'an uploaded file',
    { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] },
    { code: 'unsupported_parameter' },
  ],
  ['too hot a model', { temperature: 3 }, { param: 'temperature', code: 'invalid_value' }],
  [
    'a response that is not there',
    { previous_response_id: `resp_${'0'.repeat(32)}` },
    { param: 'previous_response_id', code: 'previous_response_not_found' },
  ],
  [
    'two places to go on from',
    { previous_response_id: 'resp_1', conversation: 'conv_1' },
    { param: 'previous_response_id' },
  ],
  ['a background that is not stored', { background: true, store: false }, { param: 'background' }],
  [
    'what came of a call that nobody made',
    { input: [{ type: 'function_call_output', call_id: 'call_9', output: 'x' }] },
    { param: 'input[0].call_id' },
  ],
  [
    'a summary that was made up',
    { input: [{ type: 'compaction', encrypted_content: 'abc' }] },
    { param: 'input[0].encrypted_content' },
  ],
]

test.each(refusals)('%s is refused by name', async (name, body, error) => {
  const input = name === 'no input' ? {} : { input: 'Hello' }
  const answer = await server.post('/v1/responses', { model: 'openai/echo', ...input, ...body })
  expect(answer.status).toBe(400)
  expect(answer.body).toEqual({
    error: {
      type: 'invalid_request_error',
      message: expect.any(String),
      param: null,
      ...answer.body.error,
      ...error,
    },
  })
})
