import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

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

const ask = (body: object) => server.post('/v1/responses', { model: 'openai/echo', input: 'Hello', ...body })

describe('what clients send that leave nothing out', () => {
  const call = { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }
  const output = { type: 'function_call_output', call_id: 'a', output: 'x' }
  const png = 'data:image/png;base64,iVBORw0KGgo='
  const message = { type: null, id: null, status: null, phase: null, role: 'user', content: 'Hello' }
  const items: Array<[name: string, input: object[]]> = [
    ['a message', [message]],
    ['a message of the developer', [{ ...message, role: 'developer' }, message]],
    [
      'an answer',
      [
        {
          ...message,
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hi', annotations: null, logprobs: null }],
        },
        message,
      ],
    ],
    [
      'a picture',
      [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What?', prompt_cache_breakpoint: null },
            {
              type: 'input_image',
              image_url: png,
              detail: null,
              file_id: null,
              prompt_cache_breakpoint: null,
            },
            {
              type: 'input_file',
              file_data: png,
              file_url: null,
              file_id: null,
              filename: null,
              detail: null,
            },
          ],
        },
      ],
    ],
    [
      'a picture at its own size',
      [{ role: 'user', content: [{ type: 'input_image', image_url: png, detail: 'original' }] }],
    ],
    [
      'a call and its result',
      [
        { ...call, id: null, status: null, caller: null, namespace: null, async: false, created_by: null },
        { ...output, id: null, status: null, caller: null, name: null, namespace: null },
      ],
    ],
    [
      'a call of the model itself, and its result',
      [
        { ...call, caller: { type: 'direct' }, async: null },
        { ...output, caller: { type: 'direct' }, name: 'f' },
      ],
    ],
    ['a result of nothing', [call, { ...output, output: [] }]],
    [
      'thoughts',
      [
        message,
        { type: 'reasoning', id: null, summary: [], content: null, encrypted_content: null, status: null },
      ],
    ],
  ]

  test.each(items)('%s', async (_, input) => {
    expect(await ask({ input })).toMatchObject({ status: 200, body: { status: 'completed' } })
  })

  test('an item that is only named, with a type or without', async () => {
    const { output: said } = await client.responses.create({ model: 'openai/echo', input: 'Hello' })
    const { id } = said[0] ?? {}
    for (const named of [{ id }, { type: null, id }, { type: 'item_reference', id }]) {
      expect(await ask({ input: [message, named, message] })).toMatchObject({ status: 200 })
    }
    expect(await ask({ input: [{ text: 'x' }] })).toMatchObject({
      body: { error: { param: 'input[0].role' } },
    })
  })

  test('the fields of a request', async () => {
    const fields = ['access_programs', 'background', 'context_management', 'conversation', 'image', 'include']
    fields.push('instructions', 'max_output_tokens', 'max_tool_calls', 'metadata', 'moderation', 'prompt')
    fields.push('parallel_tool_calls', 'previous_response_id', 'prompt_cache_key', 'prompt_cache_options')
    fields.push('prompt_cache_retention', 'reasoning', 'safety_identifier', 'service_tier', 'store', 'stream')
    fields.push('stream_options', 'temperature', 'text', 'tool_choice', 'tools', 'top_logprobs', 'top_p')
    fields.push('truncation', 'user')
    expect(await ask(Object.fromEntries(fields.map((field) => [field, null])))).toMatchObject({ status: 200 })
  })
})

const undone: Array<[field: string, body: object]> = [
  ['reasoning.context', { reasoning: { context: 'all_turns' } }],
  ['reasoning.mode', { reasoning: { mode: 'pro' } }],
  ['service_tier', { service_tier: 'ultrafast' }],
  ['include[0]', { include: ['message.output_text.logprobs'] }],
  [
    'input[0].async',
    { input: [{ type: 'function_call', call_id: 'a', name: 'f', arguments: '', async: true }] },
  ],
]

test.each(undone)('%s is known, and refused by name for what is not done', async (param, body) => {
  expect(await ask(body)).toMatchObject({
    status: 400,
    body: { error: { param, code: 'unsupported_parameter' } },
  })
})

test('log probabilities are refused wherever they are asked for', async () => {
  const { id } = await client.responses.create({ model: 'openai/echo', input: 'Hello' })
  const include = 'message.output_text.logprobs' as const
  const refused = { status: 400, code: 'unsupported_parameter' }
  await expect(client.responses.retrieve(id, { include: [include] })).rejects.toMatchObject(refused)
  await expect(client.responses.inputItems.list(id, { include: [include] })).rejects.toMatchObject(refused)
})

describe('what a response tells', () => {
  test('has all that the newest client expects', async () => {
    const { body } = await ask({})
    expect(body).toMatchObject({
      access_programs: null,
      usage: { input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 } },
    })
  })

  test('the older name of a summary is as good', async () => {
    const { body } = await ask({ reasoning: { effort: 'low', generate_summary: 'detailed' } })
    expect(body.reasoning).toEqual({ effort: 'low', summary: 'detailed' })
  })

  test('names who said what was given to it as it was named', async () => {
    const input = (['system', 'developer', 'user'] as const).map((role) => ({ role, content: 'Hello' }))
    const { id } = await client.responses.create({ model: 'openai/echo', input })
    const { data } = await client.responses.inputItems.list(id, { order: 'asc' })
    expect(data.map((item) => item.type === 'message' && item.role)).toEqual(['system', 'developer', 'user'])
  })
})

describe('without an input', () => {
  const empty: Array<[name: string, body: object]> = [
    ['left out', {}],
    ['of null', { input: null }],
    ['of no items', { input: [] }],
    ['of no text', { input: '' }],
  ]

  test.each(empty)('%s, what stands in a conversation is answered', async (_, input) => {
    const items = [{ type: 'message' as const, role: 'user' as const, content: 'My word is papaya' }]
    const { id: conversation } = await client.conversations.create({ items })
    const { body } = await server.post('/v1/responses', { model: 'openai/echo', conversation, ...input })
    expect(body).toMatchObject({
      status: 'completed',
      output: [{ content: [{ text: 'You said: My word is papaya' }] }],
    })
    expect((await client.responses.inputItems.list(body.id)).data).toEqual([])
    await client.responses.delete(body.id)
    const { data } = await client.conversations.items.list(conversation)
    expect(data).toHaveLength(2)
  })

  test.each(empty)('%s, a response is gone on with', async (name, input) => {
    const model = `again-${name.replaceAll(' ', '-')}`
    const first = await client.responses.create({ model: `openai/${model}`, input: 'Hello' })
    const asked = { model: `openai/${model}`, previous_response_id: first.id, ...input }
    expect(await server.post('/v1/responses', asked)).toMatchObject({
      status: 200,
      body: { previous_response_id: first.id },
    })
    const { messages } = (await upstream.asked(model, 2)).body
    expect(messages.map(({ content }) => content)).toEqual(['Hello', 'You said: Hello'])
  })

  test.each(empty)('%s, there is nothing to begin with', async (_, input) => {
    const refused = { status: 400, body: { error: { param: 'input', code: 'missing_required_parameter' } } }
    expect(await server.post('/v1/responses', { model: 'openai/echo', ...input })).toMatchObject(refused)
    const { id: conversation } = await client.conversations.create()
    const asked = { model: 'openai/echo', conversation, ...input }
    expect(await server.post('/v1/responses', asked)).toMatchObject({
      status: 400,
      body: { error: { param: 'input' } },
    })
  })
})
