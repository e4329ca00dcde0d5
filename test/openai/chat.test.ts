import { OpenAI } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  breaksAfter,
  echoes,
  hangs,
  holdsBack,
  refuses,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'
import { until } from '../support/until.ts'

let parley: TestServer
let upstream: Upstream
let openai: OpenAI
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({
    PROVIDERS: JSON.stringify({
      lab: { base_url: upstream.url },
      small: { base_url: upstream.url, context_window_tokens: 300 },
    }),
    MAX_PROVIDER_FAILURES: '1',
    MAX_THROTTLES: '1',
  })
  openai = openAiClient(parley)
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

const user = (content: string) => ({ role: 'user' as const, content })
const usage = { prompt_tokens: 7, completion_tokens: 3 }

/** All chunks of a stream, and what they say together. */
async function readAll(stream: AsyncIterable<OpenAI.ChatCompletionChunk>) {
  const chunks = await Array.fromAsync(stream)
  return { chunks, text: chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('') }
}

describe('a chat completion', () => {
  test('is answered by the model that it names, with what the provider counted', async () => {
    upstream.behaves('plain', says(['Hel', 'lo'], { usage }))
    const completion = await openai.chat.completions.create({ model: 'lab/plain', messages: [user('Hi')] })
    expect(completion).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      object: 'chat.completion',
      model: 'lab/plain',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: { ...usage, total_tokens: 10 },
    })
    expect(Math.abs(completion.created - Date.now() / 1_000)).toBeLessThan(60)
  })

  test('gives the model every message, in its order and role, and how to answer', async () => {
    upstream.behaves('history', echoes())
    await openai.chat.completions.create({
      model: 'lab/history',
      messages: [
        { role: 'developer', content: 'Be short.' },
        { role: 'user', content: [{ type: 'text', text: 'One' }] },
        { role: 'assistant', content: 'Two' },
        user('Three'),
      ],
      temperature: 0.5,
      top_p: 0.9,
      max_completion_tokens: 50,
      stop: 'END',
      seed: 7,
      presence_penalty: 1,
      frequency_penalty: -1,
      reasoning_effort: 'low',
    })
    const { body } = await upstream.asked('history')
    expect(body.messages).toEqual([
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'Two' },
      { role: 'user', content: 'Three' },
    ])
    expect(body).toMatchObject({
      temperature: 0.5,
      top_p: 0.9,
      stop: ['END'],
      seed: 7,
      presence_penalty: 1,
      frequency_penalty: -1,
      reasoning_effort: 'low',
    })
    expect(body['max_completion_tokens'] ?? body['max_tokens']).toBe(50)
  })

  test('goes on with what agents say that have names', async () => {
    upstream.behaves('agents', says(['Done.']))
    const call = { id: 'call_1', type: 'function' as const, function: { name: 'look', arguments: '{}' } }
    await openai.chat.completions.create({
      model: 'lab/agents',
      messages: [
        { role: 'system', content: 'Work together.', name: 'planner' },
        { ...user('Look'), name: 'Ann' },
        { role: 'assistant', name: 'model', content: null, tool_calls: [call] },
        // LangChain names the tool, too.
        { role: 'tool', name: 'look', tool_call_id: 'call_1', content: 'seen' } as never,
      ],
    })
    const { body } = await upstream.asked('agents')
    expect(body.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool'])
  })

  test('takes back what it told, with all that clients add to it', async () => {
    upstream.behaves('pushed-back', echoes())
    const opts = { cache_control: { type: 'ephemeral' }, prompt_cache_breakpoint: { mode: 'explicit' } }
    const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }
    const messages = [
      { ...user(''), content: [{ type: 'text', text: 'Look', ...opts }], refusal: null, id: 'msg_0', opts },
      {
        role: 'assistant',
        content: null,
        refusal: null,
        audio: null,
        function_call: null,
        id: 'msg_1',
        annotations: [{ type: 'url_citation' }],
        parsed: null,
        reasoning: 'Hm.',
        reasoning_details: [{}],
        tool_calls: [{ ...call, index: 0, function: { ...call.function, parsed_arguments: {} } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: 'seen', ...opts }], opts },
    ]
    await openai.chat.completions.create({ model: 'lab/pushed-back', messages: messages as never })
    const { body } = await upstream.asked('pushed-back')
    expect(body.messages).toEqual([
      user('Look'),
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: 'seen' },
    ])
  })

  test('takes pictures and files', async () => {
    upstream.behaves('eyes', says(['A cat.']))
    const picture = 'data:image/png;base64,iVBORw0KGgo='
    const file = { file_data: 'data:application/pdf;base64,JVBERi0=', filename: 'a.pdf' }
    await openai.chat.completions.create({
      model: 'lab/eyes',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url: picture, detail: 'low' } },
            { type: 'image_url', image_url: { url: picture, detail: 'original' } },
            { type: 'file', file },
          ],
        },
      ],
    })
    const { body } = await upstream.asked('eyes')
    expect(body.messages[0]?.content).toMatchObject([
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: picture, detail: 'low' } },
      { type: 'image_url', image_url: { url: picture, detail: 'high' } },
      { type: 'file', file },
    ])
  })

  test('that was cut off by its limit says so', async () => {
    upstream.behaves('cut', says(['Half'], { reason: 'length' }))
    const { choices } = await openai.chat.completions.create({
      model: 'lab/cut',
      messages: [user('Hi')],
      max_tokens: 1,
    })
    expect(choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'Half' } })
  })
})

describe('a streamed chat completion', () => {
  test('comes piece by piece as chunks of one completion, with the usage at its end', async () => {
    upstream.behaves('stream', says(['Hel', 'lo "you"\n'], { usage }))
    const { data, response } = await openai.chat.completions
      .create({
        model: 'lab/stream',
        messages: [user('Hi')],
        stream: true,
        stream_options: { include_usage: true },
      })
      .withResponse()
    const { chunks, text } = await readAll(data)
    expect(text).toBe('Hello "you"\n')
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: 'assistant' })
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { ...usage, total_tokens: 10 } })
    // The same answer stands in its log, event by event.
    const followed = await parley.events(response.headers.get('x-parley-events') ?? '')
    expect(followed.at(-1)?.type).toBe('reply.completed')
  })

  test('ends with [DONE], and has no usage where none was asked for', async () => {
    upstream.behaves('done', says(['Hi'], { usage }))
    const { status, headers, body } = await parley.post('/v1/chat/completions', {
      model: 'lab/done',
      messages: [user('Hi')],
      stream: true,
    })
    expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(body).toMatch(/\n\ndata: \[DONE\]\n\n$/)
    expect(body).not.toContain('usage')
  })

  test('is assembled by the helper of the client', async () => {
    upstream.behaves('helper', says(['Hel', 'lo'], { before: [{ reasoning_content: 'Hm.' }] }))
    const stream = openai.chat.completions.stream({ model: 'lab/helper', messages: [user('Hi')] })
    const completion = await stream.finalChatCompletion()
    expect(completion.choices[0]?.message.content).toBe('Hello')
  })

  test('that fails before its first piece is refused with a status', async () => {
    upstream.behaves('down', refuses(500))
    const asked = openai.chat.completions.create({ model: 'lab/down', messages: [user('Hi')], stream: true })
    await expect(asked).rejects.toThrow(OpenAI.InternalServerError)
  })

  test('that breaks off in the middle ends with an error', async () => {
    upstream.behaves('breaks', breaksAfter(['Half']))
    const stream = await openai.chat.completions.create({
      model: 'lab/breaks',
      messages: [user('Hi')],
      stream: true,
    })
    let text = ''
    const read = async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    }
    await expect(read()).rejects.toMatchObject({ code: 'provider_interrupted', type: 'server_error' })
    expect(text).toBe('Half')
  })
})

describe('tools', () => {
  const weather = {
    type: 'function' as const,
    function: {
      name: 'get_weather',
      description: 'The weather of a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      strict: true,
    },
  }
  const calls = (...pieces: string[]) => ({
    before: [
      {
        tool_calls: [
          { index: 0, id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '' } },
        ],
      },
      ...pieces.map((piece) => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
    ],
    reason: 'tool_calls',
  })

  test('are called by the model, answered by the client, and told to the model again', async () => {
    upstream.behaves('tools', says([], calls('{"city":', '"Bonn"}')), says(['It rains.']))
    const messages: OpenAI.ChatCompletionMessageParam[] = [user('The weather in Bonn?')]
    const request = { model: 'lab/tools', tools: [weather], tool_choice: 'auto' as const }
    const first = await openai.chat.completions.create({ ...request, messages, parallel_tool_calls: false })
    const [choice] = first.choices
    expect(choice?.finish_reason).toBe('tool_calls')
    expect(choice?.message).toMatchObject({
      content: null,
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Bonn"}' } },
      ],
    })
    if (choice) messages.push(choice.message)
    messages.push({ role: 'tool', tool_call_id: 'call_1', content: 'rain' })
    const second = await openai.chat.completions.create({ ...request, messages })
    expect(second.choices[0]?.message.content).toBe('It rains.')
    const [asked, again] = [await upstream.asked('tools'), await upstream.asked('tools', 2)]
    expect(asked.body['tools']).toMatchObject([weather])
    expect(again.body.messages.slice(1)).toMatchObject([
      { role: 'assistant', tool_calls: [{ id: 'call_1', function: { name: 'get_weather' } }] },
      { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
    ])
  })

  test('are called in pieces of a stream', async () => {
    upstream.behaves('streamed-tools', says([], calls('{"city":', '"Bonn"}')))
    const stream = openai.chat.completions.stream({
      model: 'lab/streamed-tools',
      messages: [user('The weather?')],
      tools: [weather],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
    })
    const pieces: string[] = []
    stream.on('tool_calls.function.arguments.delta', ({ arguments_delta: delta }) => pieces.push(delta))
    const completion = await stream.finalChatCompletion()
    expect(completion.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ id: 'call_1', function: { arguments: '{"city":"Bonn"}' } }] },
    })
    expect(pieces.join('')).toBe('{"city":"Bonn"}')
    const { body } = await upstream.asked('streamed-tools')
    expect(body['tool_choice']).toEqual({ type: 'function', function: { name: 'get_weather' } })
  })
})

describe('calls and their results that are not in their places are refused, as OpenAI does', () => {
  const assistant = (...ids: string[]) => ({
    role: 'assistant' as const,
    tool_calls: ids.map((id) => ({
      id,
      type: 'function' as const,
      function: { name: 'f', arguments: '{}' },
    })),
  })
  const tool = (id: string) => ({ role: 'tool' as const, tool_call_id: id, content: 'done' })

  test.each([
    ['a call without a result', [assistant('a')], 'messages[1].tool_calls'],
    ['one of several', [assistant('a', 'b'), tool('b'), user('Go on')], 'messages[1].tool_calls'],
    ['a result behind a later question', [assistant('a'), user('And?'), tool('a')], 'messages[1].tool_calls'],
    ['a second result', [assistant('a'), tool('a'), tool('a')], 'messages[3].tool_call_id'],
    ['a result of no call', [assistant('a'), tool('a'), tool('b')], 'messages[3].tool_call_id'],
    [
      'a result of a call long before',
      [assistant('a'), tool('a'), user('And?'), tool('a')],
      'messages[4].tool_call_id',
    ],
    ['two calls of one id', [assistant('a', 'a'), tool('a')], 'messages[1].tool_calls[1].id'],
  ])('%s', async (_, behind, param) => {
    const asked = openai.chat.completions.create({ model: 'lab/plain', messages: [user('Hi'), ...behind] })
    await expect(asked).rejects.toMatchObject({ status: 400, param, code: 'invalid_value' })
  })

  test('but an id that was used before is one that may be used again', async () => {
    upstream.behaves('used-again', says(['Fine.']))
    const { choices } = await openai.chat.completions.create({
      model: 'lab/used-again',
      messages: [user('Hi'), assistant('a', 'b'), tool('b'), tool('a'), assistant('a'), tool('a')],
    })
    expect(choices[0]?.message.content).toBe('Fine.')
    const { body } = await upstream.asked('used-again')
    const roles = ['user', 'assistant', 'tool', 'tool', 'assistant', 'tool']
    expect(body.messages.map(({ role }) => role)).toEqual(roles)
  })
})

describe('structured output', () => {
  const format = {
    type: 'json_schema' as const,
    json_schema: {
      name: 'city',
      strict: true,
      schema: {
        type: 'object',
        properties: { name: { type: 'string' } },
        required: ['name'],
        additionalProperties: false,
      },
    },
  }

  test('is asked of the model and parsed by the client', async () => {
    upstream.behaves('json', says(['{"name":', '"Bonn"}']))
    const { choices } = await openai.chat.completions.parse({
      model: 'lab/json',
      messages: [user('A city?')],
      response_format: format,
    })
    expect(choices[0]?.message.parsed).toEqual({ name: 'Bonn' })
    const { body } = await upstream.asked('json')
    expect(body['response_format']).toMatchObject(format)
  })

  test('that is not as the schema says is an error, and no answer', async () => {
    upstream.behaves('not-json', says(['{"name":1}']))
    const asked = openai.chat.completions.create({
      model: 'lab/not-json',
      messages: [user('A city?')],
      response_format: format,
    })
    await expect(asked).rejects.toMatchObject({ status: 502, code: 'invalid_output' })
  })
})

describe('what is wrong is told as errors of the client', () => {
  const messages = [user('Hi')]
  const said = (message: object) => ({ messages: [...messages, message] })
  const ask = (body: object) =>
    openai.chat.completions.create({ model: 'lab/plain', messages, ...body } as never)

  test.each([
    ['n', { n: 2 }, 'n', 'unsupported_parameter'],
    ['log probabilities', { logprobs: true }, 'logprobs', 'unsupported_parameter'],
    ['a bias', { logit_bias: { 50256: -100 } }, 'logit_bias[50256]', 'unsupported_parameter'],
    ['functions', { functions: [{ name: 'f' }] }, 'functions', 'unsupported_parameter'],
    ['audio', { modalities: ['text', 'audio'] }, 'modalities[1]', 'unsupported_parameter'],
    ['web search', { web_search_options: {} }, 'web_search_options', 'unsupported_parameter'],
    ['a field that nobody knows', { colour: 'red' }, 'colour', 'unknown_parameter'],
    ['no messages', { messages: [] }, 'messages', 'invalid_value'],
    [
      'nothing that is said',
      { messages: [user(''), { role: 'assistant', content: '' }] },
      'messages',
      'invalid_value',
    ],
    [
      'a missing content',
      { messages: [{ role: 'user' }] },
      'messages[0].content',
      'missing_required_parameter',
    ],
    [
      'an answer to no call',
      { messages: [{ role: 'tool', tool_call_id: 'call_9', content: 'x' }] },
      'messages[0].tool_call_id',
      'invalid_value',
    ],
    ['nobody who speaks', said({ content: 'Hi' }), 'messages[1].role', 'missing_required_parameter'],
    ['a choice without tools', { tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
    ['options of no stream', { stream_options: { include_usage: true } }, 'stream_options', 'invalid_value'],
    ['another temperature', { temperature: 3 }, 'temperature', 'invalid_value'],
  ])('%s: 400', async (_, body, param, code) => {
    const error = await ask(body).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ param, code, type: 'invalid_request_error' })
  })

  test.each<[string, object, string]>([
    ['some of the tools', { tool_choice: { type: 'allowed_tools', allowed_tools: {} } }, 'tool_choice.type'],
    ['a custom tool', { tool_choice: { type: 'custom', custom: { name: 'f' } } }, 'tool_choice.type'],
    [
      'a call of a custom tool',
      said({
        role: 'assistant',
        tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'f', input: '' } }],
      }),
      'messages[1].tool_calls[0].type',
    ],
    [
      'sound',
      said({ role: 'user', content: [{ type: 'input_audio', input_audio: { data: '', format: 'wav' } }] }),
      'messages[1].content[0].type',
    ],
    [
      'an upload',
      said({ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }),
      'messages[1].content[0].file.file_id',
    ],
    ['an answer that was spoken', said({ role: 'assistant', audio: { id: 'audio_1' } }), 'messages[1].audio'],
    [
      'a call of old',
      said({ role: 'assistant', function_call: { name: 'f', arguments: '' } }),
      'messages[1].function_call',
    ],
    ['a function that speaks', said({ role: 'function', name: 'f', content: 'x' }), 'messages[1].role'],
    [
      'a tool that shows a picture',
      said({
        role: 'tool',
        tool_call_id: 'a',
        content: [{ type: 'image_url', image_url: { url: 'https://a.b' } }],
      }),
      'messages[1].content[0].type',
    ],
  ])('known to OpenAI, and not done here, is %s: 400', async (_, body, param) => {
    const code = 'unsupported_parameter'
    await expect(ask(body)).rejects.toMatchObject({ status: 400, param, code })
  })

  test('a model that nobody serves: 404', async () => {
    const alone = await startServer()
    const asked = openAiClient(alone).chat.completions.create({ model: 'gpt-4o', messages })
    await expect(asked).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
    await alone.stop()
  })

  test('a provider that is at its limit: 429, and the client does not try again', async () => {
    upstream.behaves('limited', refuses(429))
    const eager = openAiClient(parley, { maxRetries: 2 })
    const asked = eager.chat.completions.create({ model: 'lab/limited', messages })
    await expect(asked).rejects.toThrow(OpenAI.RateLimitError)
    expect(upstream.requests.filter(({ model }) => model === 'limited')).toHaveLength(1)
  })

  test('a conversation that is too long for the model is not cut, and not sent: 400', async () => {
    upstream.behaves('short', echoes())
    await openai.models.list()
    const long = [
      user('word '.repeat(200)),
      { role: 'assistant' as const, content: 'Yes.' },
      user('word '.repeat(200)),
    ]
    const asked = openai.chat.completions.create({ model: 'small/short', messages: long })
    await expect(asked).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' })
    expect(upstream.requests.filter(({ model }) => model === 'short')).toEqual([])
  })
})

describe('a client that leaves', () => {
  test('ends an answer that is not kept', async () => {
    const { behaviour } = holdsBack(['Once'], [])
    upstream.behaves('left', behaviour)
    const stream = await openai.chat.completions.create({
      model: 'lab/left',
      messages: [user('Hi')],
      stream: true,
    })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
    await (
      await upstream.asked('left')
    ).closed
  })

  test('and comes again with the same request gets the same answer', async () => {
    const { behaviour, goOn } = holdsBack([], ['The answer'])
    upstream.behaves('again', behaviour)
    let tries = 0
    const impatient = openAiClient(parley, {
      maxRetries: 1,
      timeout: 5_000,
      // The first connection breaks once the model was asked.
      async fetch(url, init) {
        tries += 1
        if (tries > 1) {
          goOn()
          return fetch(url, init)
        }
        const abort = new AbortController()
        void upstream.asked('again').then(() => abort.abort(new Error('broken')))
        return fetch(url, { ...init, signal: abort.signal })
      },
    })
    const completion = await impatient.chat.completions.create({
      model: 'lab/again',
      messages: [user('Hi')],
    })
    expect(completion.choices[0]?.message.content).toBe('The answer')
    expect(tries).toBe(2)
    expect(upstream.requests.filter(({ model }) => model === 'again')).toHaveLength(1)
  })

  test.each([
    ['whole', false],
    ['streamed', true],
  ])(
    'is told of an answer that was cancelled before its first piece, and when it asks again: %s',
    async (how, stream) => {
      const model = `cancelled ${how}`
      upstream.behaves(model, hangs())
      const body = { model: `lab/${model}`, messages: [user('Hi')], stream, store: true }
      const ask = () =>
        parley.request('POST', '/v1/chat/completions', body, { 'idempotency-key': `cancel ${how}` })
      const asked = ask()
      await upstream.asked(model)
      const { data } = (await parley.get(`/v1/replies?model=${encodeURIComponent(`lab/${model}`)}`)).body
      await parley.post(`/v1/messages/${data[0].id}/cancel`)
      for (const answer of [await asked, await ask()]) {
        expect([answer.status, answer.body.error?.code]).toEqual([409, 'cancelled'])
      }
    },
  )

  test('leaves an answer that is kept to be finished', async () => {
    const { behaviour, goOn } = holdsBack(['Once '], ['upon a time'])
    upstream.behaves('kept', behaviour)
    const stream = await openai.chat.completions.create({
      model: 'lab/kept',
      messages: [user('Hi')],
      stream: true,
      store: true,
    })
    let id = ''
    for await (const chunk of stream) {
      ;({ id } = chunk)
      if (chunk.choices[0]?.delta.content) break
    }
    goOn()
    const text = async () => (await openai.chat.completions.retrieve(id)).choices[0]?.message.content
    await until('whole', async () => (await text()) === 'Once upon a time')
  })
})

test('a completion that was requeued is the new one for who streams it again', async () => {
  upstream.behaves('requeued', refuses(400), says(['Who', 'le']))
  const headers = { 'idempotency-key': 'once more' }
  const body = { model: 'lab/requeued', messages: [user('Hi')], stream: true }
  const ask = () => parley.request('POST', '/v1/chat/completions', body, headers)
  const failed = await ask()
  expect(failed.status).toBe(400)
  const reply = failed.headers.get('x-parley-reply') ?? ''
  expect((await parley.post(`/v1/messages/${reply}/requeue`)).status).toBe(200)
  await parley.events(`/v1/messages/${reply}/events`)
  const { chunks, text } = await readAll(
    await openai.chat.completions.create({ ...body, stream: true }, { headers }),
  )
  expect(text).toBe('Whole')
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
})
