import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json, StreamEvent } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  callsTools,
  hangs,
  says,
  sendChunk,
  begin,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, MAX_REPLY_CHARS: '20000' })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'The weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: true,
}
const rome = { id: 'call_1', name: 'get_weather', pieces: ['{"ci', 'ty":"Rome"}'] }
const oslo = { id: 'call_2', name: 'get_weather', pieces: ['{"city"', ':"Oslo"}'] }
const partOf = ({ id, name, pieces }: typeof rome) => ({
  type: 'tool_call',
  call_id: id,
  name,
  arguments: pieces.join(''),
})
const resultOf = (callId: string, output: unknown, more: object = {}) => ({
  type: 'tool_result',
  call_id: callId,
  output,
  ...more,
})
const askedFor = ({ id, name, pieces }: typeof rome) => ({
  id,
  type: 'function',
  function: { name, arguments: pieces.join('') },
})

let models = 0

/** An interaction with a model that answers in these ways, one after the other. */
async function beginWith(...behaviours: Parameters<Upstream['behaves']>[1][]) {
  const model = `caller-${(models += 1)}`
  upstream.behaves(model, ...behaviours)
  const id = await server.begin({ model: `openai/${model}` })
  const askedOf = async (count: number) => (await upstream.asked(model, count)).body
  return { id, model, askedOf }
}

const eventsOf = (reply: Json): Promise<StreamEvent[]> => server.events(`/v1/messages/${reply.id}/events`)

describe('a model that calls tools', () => {
  test('is offered them, ends with its calls, and goes on from what they gave back', async () => {
    const { id, askedOf } = await beginWith(
      callsTools([rome], { says: ['Let me see.'] }),
      says(['18 degrees']),
    )
    const { reply } = await server.say(id, 'How warm is it in Rome?', {
      tools: [weather],
      tool_choice: { name: 'get_weather' },
      parallel_tool_calls: false,
    })
    expect(reply).toMatchObject({
      status: 'completed',
      finish_reason: 'tool-calls',
      error: null,
      text: 'Let me see.',
      content: [{ type: 'text', text: 'Let me see.' }, partOf(rome)],
    })
    expect(await askedOf(1)).toMatchObject({
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: weather.description,
            parameters: weather.parameters,
            strict: true,
          },
        },
      ],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
      parallel_tool_calls: false,
    })

    const answered = await server.say(id, [resultOf('call_1', '18 °C')], { role: 'Tool', tools: [weather] })
    expect(answered.message).toMatchObject({ role: 'Tool', content: [resultOf('call_1', '18 °C')], text: '' })
    expect(answered.reply).toMatchObject({ status: 'completed', text: '18 degrees' })
    expect((await askedOf(2)).messages).toEqual([
      { role: 'user', content: 'How warm is it in Rome?' },
      { role: 'assistant', content: 'Let me see.', tool_calls: [askedFor(rome)] },
      { role: 'tool', tool_call_id: 'call_1', content: '18 °C' },
    ])
  })

  test('at the same time is told call by call, each by its id', async () => {
    const { id } = await beginWith(callsTools([rome, oslo]))
    const { reply } = await server.say(id, 'Rome and Oslo?', { tools: [weather] })
    expect(reply.content).toEqual([partOf(rome), partOf(oslo)])

    const events = await eventsOf(reply)
    const of = (type: string) => events.filter((event) => event.type === type).map(({ data }) => data)
    expect(of('tool_call.started')).toEqual([
      { call_id: 'call_1', name: 'get_weather' },
      { call_id: 'call_2', name: 'get_weather' },
    ])
    for (const call of [rome, oslo]) {
      const pieces = of('tool_call.delta').filter(({ call_id }) => call_id === call.id)
      expect(pieces.map((piece) => piece['arguments']).join('')).toBe(call.pieces.join(''))
    }
    expect(of('tool_call.done')).toEqual(
      [rome, oslo].map((call) => ({ call_id: call.id, name: call.name, arguments: call.pieces.join('') })),
    )
    expect(events.at(-1)).toMatchObject({ type: 'reply.completed', data: { finish_reason: 'tool-calls' } })
  })

  test('gets results in the order of its calls, right behind them, however they came', async () => {
    const { id, askedOf } = await beginWith(
      callsTools([rome, oslo]),
      says(['One is missing.']),
      says(['Both.']),
    )
    await server.say(id, 'Rome and Oslo?', { tools: [weather] })
    await server.say(id, [resultOf('call_2', 'snow', { is_error: false })], { role: 'Tool' })
    expect((await askedOf(2)).messages).toEqual([
      { role: 'user', content: 'Rome and Oslo?' },
      { role: 'assistant', content: null, tool_calls: [askedFor(oslo)] },
      { role: 'tool', tool_call_id: 'call_2', content: 'snow' },
    ])
    await server.say(id, [resultOf('call_1', 'sun')], { role: 'Tool' })
    expect((await askedOf(3)).messages).toEqual([
      { role: 'user', content: 'Rome and Oslo?' },
      { role: 'assistant', content: null, tool_calls: [askedFor(rome), askedFor(oslo)] },
      { role: 'tool', tool_call_id: 'call_1', content: 'sun' },
      { role: 'tool', tool_call_id: 'call_2', content: 'snow' },
      { role: 'assistant', content: 'One is missing.' },
    ])
  })

  test('is not shown a call that the user did not wait for, nor a result without its call', async () => {
    const { id, askedOf } = await beginWith(callsTools([rome]), says(['Fine.']))
    await server.say(id, 'How warm?', { tools: [weather] })
    await server.post(`/v1/interactions/${id}/messages`, { role: 'AI', content: 'Never mind.' })
    await server.say(id, 'Let it be')
    expect((await askedOf(2)).messages).toEqual([
      { role: 'user', content: 'How warm?' },
      { role: 'assistant', content: 'Never mind.' },
      { role: 'user', content: 'Let it be' },
    ])
    const strayed = await server.say(id, [resultOf('call_9', 'lost')], { role: 'Tool' })
    expect(strayed.reply.status).toBe('completed')
    expect(JSON.stringify((await askedOf(3)).messages)).not.toContain('lost')
  })

  test('whose calls a client brings along goes on from them', async () => {
    const { id, askedOf } = await beginWith(says(['Sunny.']))
    const path = `/v1/interactions/${id}/messages`
    await server.post(path, { role: 'System', content: 'Be brief.' })
    const call = { type: 'tool_call', call_id: 'mine', name: 'get_weather', arguments: '{"city": "Rome"}' }
    const { status } = await server.post(path, { role: 'AI', content: [call] })
    expect(status).toBe(201)
    const picture = { type: 'image', url: 'data:image/png;base64,iVBORw0KGgo=' }
    const output = [{ type: 'text', text: 'See:' }, picture]
    await server.say(id, [resultOf('mine', output)], { role: 'Tool' })
    expect((await askedOf(1)).messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'mine', type: 'function', function: { name: 'get_weather', arguments: '{"city": "Rome"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'mine', content: 'See:' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What the tool call mine brought:' },
          { type: 'image_url', image_url: { url: picture.url } },
        ],
      },
    ])
  })

  test.each([
    ['a number that is too long for others', '{"id":12345678901234567890,"share":1.0}'],
    ['its own spaces', '{ "city" : "Rome" }'],
    ['something that is no JSON', '{"city":"Ro'],
    ['no object', '["Rome"]'],
    ['nothing', '', '{}'],
    ['only a space', ' ', '{}'],
  ])('is shown what it wrote, as it wrote it: %s', async (_, written, shown = written) => {
    const { id, askedOf } = await beginWith(callsTools([{ ...rome, pieces: [written] }]), says(['Fine.']))
    await server.say(id, 'How warm?', { tools: [weather] })
    await server.say(id, [resultOf('call_1', 'sun')], { role: 'Tool' })
    expect((await askedOf(2)).messages[1]).toMatchObject({
      tool_calls: [{ id: 'call_1', function: { name: 'get_weather', arguments: shown } }],
    })
  })

  test('and is cancelled in the middle of a call keeps what was told of it', async () => {
    const { id } = await beginWith(callsTools([rome], { says: ['Wait.'], end: null }))
    const path = `/v1/interactions/${id}/messages`
    const { reply } = (await server.post(path, { content: 'How warm?', tools: [weather] })).body
    const { events } = await server.open(`/v1/messages/${reply.id}/events`)
    for (let told = ''; told !== partOf(rome).arguments;) {
      told += String((await events.next()).value.data.arguments ?? '')
    }
    const { body } = await server.post(`/v1/messages/${reply.id}/cancel`)
    expect(body).toMatchObject({
      status: 'cancelled',
      content: [{ type: 'text', text: 'Wait.' }, partOf(rome)],
    })
  })

  test('and breaks off in the middle of a call is incomplete, and the call is not done', async () => {
    const { id } = await beginWith(callsTools([{ ...rome, pieces: ['{"ci'] }], { end: 'length' }))
    const { reply } = await server.say(id, 'How warm?', { tools: [weather] })
    expect(reply).toMatchObject({
      status: 'incomplete',
      error: { code: 'max_output_tokens' },
      content: [{ type: 'tool_call', call_id: 'call_1', arguments: '{"ci' }],
    })
    expect((await eventsOf(reply)).map(({ type }) => type)).not.toContain('tool_call.done')
  })

  test('without end is stopped at the longest answer that is kept', async () => {
    const endless = { ...rome, pieces: Array.from({ length: 60 }, () => 'x'.repeat(500)) }
    const { id } = await beginWith(callsTools([endless]))
    const { reply } = await server.say(id, 'How warm?', { tools: [weather] })
    expect(reply).toMatchObject({ status: 'incomplete', error: { code: 'reply_too_long' } })
  })

  test('is offered the same tools after a restart of the server', async () => {
    const { id, model } = await beginWith(hangs(), callsTools([rome]))
    const options = { content: 'How warm?', tools: [weather], tool_choice: 'required' }
    const { reply } = (await server.post(`/v1/interactions/${id}/messages`, options)).body
    await upstream.asked(model)
    await server.restart()
    const events = await eventsOf(reply)
    expect(events.at(-1)?.type).toBe('reply.completed')
    const [first, second] = [await upstream.asked(model, 1), await upstream.asked(model, 2)]
    expect(second.body).toEqual(first.body)
    expect(second.body).toMatchObject({ tool_choice: 'required', tools: [{ type: 'function' }] })
  })

  test('of an endpoint without ids gets calls that can be told apart in the whole conversation', async () => {
    const nameless = callsTools([{ ...rome, id: '' }])
    const { id } = await beginWith(nameless, nameless)
    const first = await server.say(id, 'Rome?', { tools: [weather] })
    const [{ call_id: one }] = first.reply.content
    const second = await server.say(id, [resultOf(one, 'sun')], { role: 'Tool', tools: [weather] })
    expect(one).toMatch(/^call_\w{16,}$/)
    expect(second.reply.content[0].call_id).not.toBe(one)
  })
})

describe('a model that refuses', () => {
  test('has answered: what it said is a refusal, and no text', async () => {
    const { id, askedOf } = await beginWith(
      says([], { before: [{ refusal: 'I cannot ' }, { refusal: 'do that.' }] }),
      says(['Gladly.']),
    )
    const { reply } = await server.say(id, 'Do harm')
    expect(reply).toMatchObject({
      status: 'completed',
      text: '',
      content: [{ type: 'refusal', text: 'I cannot do that.' }],
    })
    const told = (await eventsOf(reply)).filter(({ type }) => type === 'refusal.delta')
    expect(told.map(({ data }) => data['text']).join('')).toBe('I cannot do that.')
    await server.say(id, 'Do good then')
    expect((await askedOf(2)).messages[1]).toEqual({ role: 'assistant', content: 'I cannot do that.' })
  })
})

describe('a tool without a name', () => {
  test('is no answer', async () => {
    const { id } = await beginWith((response) => {
      begin(response)
      sendChunk(response, { tool_calls: [{ index: 0, id: 'c', function: { arguments: '{}' } }] })
      sendChunk(response, {}, { finish_reason: 'tool_calls' })
      response.end('data: [DONE]\n\n')
    })
    const { reply } = await server.say(id, 'Call')
    expect(reply).toMatchObject({ status: 'failed', error: { code: 'provider_malformed' }, content: [] })
  })
})
