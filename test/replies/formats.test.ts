import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { callsTools, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: { city: { type: 'string' }, degrees: { type: 'integer' } },
  required: ['city', 'degrees'],
  additionalProperties: false,
}
const weather = { type: 'json_schema', name: 'weather', schema, strict: true }

let models = 0
async function askFor(format: object, behaviour: Parameters<Upstream['behaves']>[1], more: object = {}) {
  const model = `formal-${(models += 1)}`
  upstream.behaves(model, behaviour)
  const id = await server.begin({ model: `openai/${model}` })
  const { reply } = await server.say(id, 'The weather?', { response_format: format, ...more })
  return { reply, asked: (await upstream.asked(model)).body }
}

describe('an answer in a format', () => {
  test('is asked for as it was given, and is taken where it conforms', async () => {
    const { reply, asked } = await askFor(weather, says(['{"city":"Rome",', '"degrees":18}']))
    expect(reply).toMatchObject({ status: 'completed', error: null, text: '{"city":"Rome","degrees":18}' })
    expect(asked['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'weather', schema, strict: true },
    })
  })

  test('and with how much to think, is asked for on the wire', async () => {
    const { asked } = await askFor({ type: 'json_object' }, says(['{}']), { reasoning_effort: 'low' })
    expect(asked).toMatchObject({ response_format: { type: 'json_object' }, reasoning_effort: 'low' })
  })

  test.each([
    ['does not conform to the schema', weather, '{"city":"Rome","degrees":"warm"}'],
    ['is no JSON', weather, 'It is warm'],
    ['has more behind its JSON', weather, '{"city":"Rome","degrees":18} and more'],
    ['is JSON, but no object', { type: 'json_object' }, '[1]'],
    [
      'does not fit a reference within the schema',
      {
        type: 'json_schema',
        name: 'a',
        schema: { $ref: '#/definitions/n', definitions: { n: { type: 'number' } } },
      },
      '"x"',
    ],
    [
      'takes for ever to check',
      { type: 'json_schema', name: 'a', schema: { type: 'string', pattern: '^(a+)+$' } },
      `"${'a'.repeat(40)}!"`,
    ],
  ])('that %s ends incomplete and says so', async (_, format, text) => {
    const { reply } = await askFor(
      format,
      says([text], { usage: { prompt_tokens: 7, completion_tokens: 3 } }),
    )
    expect(reply).toMatchObject({
      status: 'incomplete',
      text,
      error: { code: 'invalid_output', message: 'The answer is not in the format that was asked for.' },
      usage: { output_tokens: 3 },
      attempt: 1,
    })
  })

  test('that was cut off says that, and not that it is no JSON', async () => {
    const { reply } = await askFor(weather, says(['{"city":'], { reason: 'length' }))
    expect(reply).toMatchObject({ status: 'incomplete', error: { code: 'max_output_tokens' } })
  })

  test('may call tools first', async () => {
    const call = callsTools([{ id: 'c', name: 'look', pieces: ['{}'] }], { says: ['Let me see'] })
    const { reply } = await askFor(weather, call, { tools: [{ name: 'look' }] })
    expect(reply).toMatchObject({ status: 'completed', finish_reason: 'tool-calls' })
  })

  test('may be refused', async () => {
    const { reply } = await askFor(weather, says([], { before: [{ refusal: 'No.' }] }))
    expect(reply).toMatchObject({ status: 'completed', content: [{ type: 'refusal', text: 'No.' }] })
  })

  test('of two schemas of the same name is held to its own', async () => {
    const named = (type: string) => ({
      type: 'json_schema',
      name: 'n',
      schema: { $id: 'https://a.example/s', type },
    })
    expect((await askFor(named('string'), says(['"x"']))).reply.status).toBe('completed')
    expect((await askFor(named('number'), says(['"x"']))).reply.error.code).toBe('invalid_output')
  })
})

describe('pictures and files', () => {
  const png = 'data:image/png;base64,iVBORw0KGgo='
  const pdf = 'data:application/pdf;base64,JVBERi0='

  test('are kept as they were said, and shown to the model', async () => {
    upstream.behaves('sees', says(['I see.']))
    const id = await server.begin({ model: 'openai/sees' })
    const content = [
      { type: 'text', text: 'What is ' },
      { type: 'text', text: 'this?' },
      { type: 'image', url: 'https://example.com/a.jpg', detail: 'low' },
      { type: 'image', url: png },
      { type: 'file', filename: 'a.pdf', url: pdf },
    ]
    const { message, reply } = await server.say(id, content)
    expect(message).toMatchObject({ content, text: 'What is this?' })
    expect(reply.status).toBe('completed')
    expect((await server.get(`/v1/messages/${message.id}`)).body.content).toEqual(content)
    expect((await upstream.asked('sees')).body.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'https://example.com/a.jpg', detail: 'low' } },
          { type: 'image_url', image_url: { url: png } },
          { type: 'file', file: { filename: 'a.pdf', file_data: pdf } },
        ],
      },
    ])
    expect((await server.get(`/interactions/${id}/messages/`)).body).toMatchObject([
      { role: 'Human', content: 'What is this?' },
      { role: 'Ai', content: 'I see.' },
    ])
  })
})

describe('what cannot be asked', () => {
  const tool = { name: 'look' }
  const image = (url: string) => ({ content: [{ type: 'image', url }] })
  const format = (given: unknown) => ({
    content: 'a',
    response_format: { type: 'json_schema', name: 'n', schema: given },
  })

  test.each<[string, object]>([
    ['content.0.url', image('ftp://example.com/a.png')],
    ['content.0.url', image('data:image/png,raw')],
    ['content.0.url', image('data:image/png;base64,%%%')],
    ['content.0.url', image('https://example.com/a b')],
    ['content.0.url', image(`https://example.com/${'a'.repeat(9_000)}`)],
    ['content.0.detail', { content: [{ type: 'image', url: 'https://example.com/a', detail: 'huge' }] }],
    [
      'content.0.media_type',
      { content: [{ type: 'file', url: 'https://example.com/a', media_type: 'pdf' }] },
    ],
    ['content.0.type', { role: 'AI', content: [{ type: 'image', url: 'https://example.com/a' }] }],
    ['content.0.type', { content: [{ type: 'tool_result', call_id: 'c', output: 'x' }] }],
    ['content.0.type', { role: 'Tool', content: [{ type: 'text', text: 'x' }] }],
    ['content.0.type', { content: [{ type: 'reasoning', text: 'x' }] }],
    ['content', { role: 'Tool', content: 'x' }],
    ['content.0.call_id', { role: 'Tool', content: [{ type: 'tool_result', output: 'x' }] }],
    ['content.0.output', { role: 'Tool', content: [{ type: 'tool_result', call_id: 'c' }] }],
    ['tools.0.name', { content: 'a', tools: [{ name: 'no spaces' }] }],
    ['tools.1.name', { content: 'a', tools: [tool, tool] }],
    ['tools.0.type', { content: 'a', tools: [{ type: 'web_search', name: 'x' }] }],
    ['tools.0.parameters', { content: 'a', tools: [{ ...tool, parameters: { x: 'y'.repeat(100_000) } }] }],
    ['tools', { content: 'a', tools: Array.from({ length: 129 }, (_, at) => ({ name: `t${at}` })) }],
    ['tool_choice', { content: 'a', tool_choice: 'required' }],
    ['tool_choice', { content: 'a', tools: [tool], tool_choice: { name: 'other' } }],
    ['tool_choice', { content: 'a', tools: [tool], tool_choice: 'perhaps' }],
    ['reasoning_effort', { content: 'a', reasoning_effort: 'huge' }],
    ['response_format.type', { content: 'a', response_format: { type: 'xml' } }],
    ['response_format.schema', format({ type: 'objct' })],
    ['response_format.schema', format({ $ref: 'https://example.com/schema.json' })],
    ['response_format.schema', format({ $async: true, type: 'object' })],
    ['response_format.schema', format({ description: 'x'.repeat(100_000) })],
    ['response_format.schema', format(true)],
  ])('is refused for its %s', async (field, body) => {
    const id = await server.begin()
    const answer = await server.post(`/v1/interactions/${id}/messages`, body)
    expect(answer.status).toBe(422)
    expect(answer.body.errors).toContainEqual({ in: 'body', field, message: expect.any(String) })
    expect((await server.get(`/v1/interactions/${id}/messages`)).body.data).toEqual([])
  })

  test('is no correction of what was said either', async () => {
    const id = await server.begin()
    const { message } = await server.say(id, 'Hello', { model: 'builtin/eliza' })
    const content = [{ type: 'tool_result', call_id: 'c', output: 'x' }]
    const { status, body } = await server.request('PATCH', `/v1/messages/${message.id}`, { content })
    expect(status).toBe(422)
    expect(body.errors).toMatchObject([{ in: 'body', field: 'content.0.type' }])
  })
})

describe('builtin/eliza, without a network', () => {
  const begin = () => server.begin({ model: 'builtin/eliza' })
  const tools = [{ name: 'get_weather' }, { name: 'get_time' }]

  test('calls the tool that one asks it to call, and says what that gave back', async () => {
    const id = await begin()
    const { reply } = await server.say(id, 'Please call get_weather {"city": "Rome"}', { tools })
    expect(reply).toMatchObject({ status: 'completed', finish_reason: 'tool-calls' })
    const [call] = reply.content
    expect(call).toEqual({
      type: 'tool_call',
      call_id: call.call_id,
      name: 'get_weather',
      arguments: '{"city": "Rome"}',
    })
    const content = [{ type: 'tool_result', call_id: call.call_id, output: 'Sunny, 18 degrees' }]
    const answered = await server.say(id, content, { role: 'Tool', tools })
    expect(answered.reply.text).toBe('The tool says: Sunny, 18 degrees')
    const again = await server.say(id, 'call get_time', { tools })
    expect(again.reply.content).toMatchObject([{ name: 'get_time', arguments: '{}' }])
    expect(again.reply.content[0].call_id).not.toBe(call.call_id)
    // Who knows only text hears of none of that.
    const original = (await server.get(`/interactions/${id}/messages/`)).body
    expect(original.map((message: { content: string }) => message.content)).toEqual([
      'Please call get_weather {"city": "Rome"}',
      'The tool says: Sunny, 18 degrees',
      'call get_time',
    ])
  })

  test.each([
    ['without being offered it', 'call get_weather', {}, []],
    ['where it may not', 'call get_weather', { tools, tool_choice: 'none' }, []],
    ['where it must', 'Hello', { tools, tool_choice: 'required' }, ['get_weather']],
    ['the one that it must', 'Hello', { tools, tool_choice: { name: 'get_time' } }, ['get_time']],
  ])('calls a tool %s: %s %j', async (_, text, more, expected) => {
    const { reply } = await server.say(await begin(), text, more)
    const calls = reply.content.filter(({ type }: { type: string }) => type === 'tool_call')
    expect(calls.map(({ name }: { name: string }) => name)).toEqual(expected)
  })

  test('says that it sees no pictures, and fails clearly where it is to write JSON', async () => {
    const url = 'https://example.com/a.png'
    const seen = await server.say(await begin(), [{ type: 'image', url }])
    expect(seen.reply.text).toContain('I can see no pictures')
    const { reply } = await server.say(await begin(), 'Hello', { response_format: weather })
    expect(reply).toMatchObject({ status: 'failed', error: { code: 'unsupported_by_model' }, attempt: 1 })
  })
})
