import { createOpenAI } from '@ai-sdk/openai'
import { generateText, isStepCount, tool } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startServer, type TestServer } from '../support/server.ts'
import { type Behaviour, sends, startUpstream, type Upstream } from '../support/upstream.ts'
import { speaks, type VendorWire, vendorWires } from '../support/vendor-wires.ts'

let upstream: Upstream
let server: TestServer
let client: OpenAI

beforeAll(async () => {
  upstream = await startUpstream()
  const { origin } = new URL(upstream.url)
  server = await startServer(Object.assign({}, ...vendorWires.map(({ env }) => env(origin))))
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const wireOf = (name: string) => vendorWires.find((wire) => wire.name === name) as VendorWire
const framesOf = (...events: object[]) =>
  sends(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))

const block = (index: number, content_block: object, ...deltas: object[]) => [
  { type: 'content_block_start', index, content_block },
  ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
  { type: 'content_block_stop', index },
]
const usage = { input_tokens: 11, output_tokens: 1 }
const thinking = block(
  0,
  { type: 'thinking', thinking: '', signature: '' },
  { type: 'thinking_delta', thinking: 'They want ' },
  { type: 'thinking_delta', thinking: 'the weather.' },
  { type: 'signature_delta', signature: 'c2lnbmVk' },
)
const redacted = block(1, { type: 'redacted_thinking', data: 'c2VjcmV0' })
const toolUse = block(
  2,
  { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} },
  { type: 'input_json_delta', partial_json: '{"city":"Rome"}' },
)

/** Anthropic's wire: thoughts, signed or held back, and then a call. */
function thinksAndCalls(...blocks: object[][]): Behaviour {
  const message = { type: 'message', id: 'm', model: 'm', role: 'assistant', content: [] }
  return framesOf(
    { type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null, usage } },
    ...blocks.flat(),
    { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage },
    { type: 'message_stop' },
  )
}

const tools = [{ type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: false }]
const include = ['reasoning.encrypted_content' as const]
const question = { role: 'user' as const, content: 'The weather?' }
const result = { type: 'function_call_output' as const, call_id: 'toolu_1', output: 'sun' }

/** What the model was given the second time it was asked, of its own. */
async function givenBack(model: string) {
  const { messages } = (await upstream.asked(model, 2)).body
  return messages.find(({ role }) => role === 'assistant')?.content
}

describe('what a provider needs back with its thoughts', () => {
  test.each([
    ['thoughts that are told', [thinking, redacted, toolUse], ['reasoning', 'function_call']],
    ['thoughts that are held back', [redacted, toolUse], ['reasoning', 'function_call']],
  ])('goes to its client, and with that back to it: %s', async (name, blocks, types) => {
    const model = `thinks-${name.replaceAll(' ', '-')}`
    upstream.behaves(model, thinksAndCalls(...blocks), speaks(wireOf('anthropic'), ['Sunny.']))
    const asked = { model: `anthropic/${model}`, tools, include, store: false }
    const first = await client.responses.create({ ...asked, input: [question] })
    expect(first.output.map(({ type }) => type)).toEqual(types)
    expect(first.output[0]).toMatchObject({ encrypted_content: expect.any(String) })
    // Some clients give back nothing of a thought but that.
    const [thought, call] = first.output as [
      OpenAI.Responses.ResponseReasoningItem,
      OpenAI.Responses.ResponseItem,
    ]
    const carried = {
      type: thought.type,
      id: thought.id,
      summary: [],
      encrypted_content: thought.encrypted_content ?? '',
    }
    const second = await client.responses.create({
      ...asked,
      input: [question, carried, call as never, result],
    })
    expect(second.output_text).toBe('Sunny.')
    const signed = { type: 'thinking', thinking: 'They want the weather.', signature: 'c2lnbmVk' }
    expect(await givenBack(model)).toMatchObject([
      ...(blocks.includes(thinking) ? [signed] : []),
      { type: 'redacted_thinking', data: 'c2VjcmV0' },
      { type: 'tool_use', id: 'toolu_1' },
    ])
  })

  test('is told by a stream when it is there, and is the same wherever it is read', async () => {
    upstream.behaves('thinks-live', thinksAndCalls(thinking, redacted, toolUse))
    const asked = { model: 'anthropic/thinks-live', tools, input: [question] }
    const stream = await client.responses.create({ ...asked, include, stream: true })
    const events = await Array.fromAsync(stream)
    const done = events.flatMap((event) => (event.type === 'response.output_item.done' ? [event.item] : []))
    expect(done).toMatchObject([
      {
        type: 'reasoning',
        summary: [{ text: 'They want the weather.' }],
        encrypted_content: expect.any(String),
      },
      { type: 'function_call' },
    ])
    const last = events.at(-1)
    if (last?.type !== 'response.completed') throw new Error('not completed')
    expect(last.response.output).toEqual(done)
    expect((await client.responses.retrieve(last.response.id)).output).toEqual(done)
  })

  test('is not told where nobody asks for it, but to who does later', async () => {
    upstream.behaves('thinks-quietly', thinksAndCalls(thinking, redacted, toolUse))
    const asked = { model: 'anthropic/thinks-quietly', tools, input: [question] }
    const response = await client.responses.create(asked)
    expect(JSON.stringify(response)).not.toContain('encrypted_content')
    const later = await client.responses.retrieve(response.id, { include })
    expect(later.output[0]).toMatchObject({
      id: response.output[0]?.id,
      encrypted_content: expect.any(String),
    })
    expect(await client.responses.retrieve(response.id)).toEqual(response)
  })

  test('stands among the items that a response was given', async () => {
    upstream.behaves(
      'thinks-listed',
      thinksAndCalls(redacted, toolUse),
      speaks(wireOf('anthropic'), ['Sunny.']),
    )
    const asked = { model: 'anthropic/thinks-listed', tools, include }
    const { output } = await client.responses.create({ ...asked, input: [question] })
    const { id } = await client.responses.create({ ...asked, input: [question, ...output, result] as never })
    const { data } = await client.responses.inputItems.list(id, { order: 'asc', include })
    expect(data[1]).toMatchObject({ type: 'reasoning', summary: [], encrypted_content: expect.any(String) })
    expect((await client.responses.inputItems.list(id, { order: 'asc' })).data[1]).not.toHaveProperty(
      'encrypted_content',
    )
  })

  test('goes with a call where that is what was signed', async () => {
    const parts = [
      { functionCall: { name: 'weather', args: { city: 'Rome' } }, thoughtSignature: 'c2lnbmVk' },
    ]
    const calls = framesOf({ candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }] })
    upstream.behaves('signs-calls', calls, speaks(wireOf('google'), ['Sunny.']))
    const asked = { model: 'google/signs-calls', tools, include, store: false }
    const { output } = await client.responses.create({ ...asked, input: [question] })
    const call = output.find(
      ({ type }) => type === 'function_call',
    ) as OpenAI.Responses.ResponseFunctionToolCall
    const input = [question, ...output, { ...result, call_id: call.call_id }]
    expect((await client.responses.create({ ...asked, input: input as never })).output_text).toBe('Sunny.')
    const { contents } = (await upstream.asked('signs-calls', 2)).body as unknown as { contents: object[] }
    expect(contents[1]).toMatchObject({ role: 'model', parts })
  })

  test('is carried by the AI SDK through a loop of calls', async () => {
    upstream.behaves(
      'thinks-in-a-loop',
      thinksAndCalls(thinking, redacted, toolUse),
      speaks(wireOf('anthropic'), ['Sunny.']),
    )
    const provider = createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' })
    const weather = tool({ inputSchema: z.object({ city: z.string() }), execute: () => 'sun' })
    const { text } = await generateText({
      model: provider.responses('anthropic/thinks-in-a-loop'),
      prompt: 'The weather?',
      tools: { weather },
      stopWhen: isStepCount(3),
      providerOptions: { openai: { store: false, include: [...include], forceReasoning: true } },
    })
    expect(text).toBe('Sunny.')
    expect(await givenBack('thinks-in-a-loop')).toMatchObject([
      { type: 'thinking', thinking: 'They want the weather.', signature: 'c2lnbmVk' },
      { type: 'redacted_thinking', data: 'c2VjcmV0' },
      { type: 'tool_use', id: 'toolu_1' },
    ])
  })
})

describe('what comes back sealed', () => {
  const ask = (encrypted_content: string) =>
    server.post('/v1/responses', {
      model: 'builtin/eliza',
      input: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm' }], encrypted_content },
        question,
      ],
    })
  const mark = 'parley.v1.'
  const sealed = (value: unknown) => mark + Buffer.from(JSON.stringify(value)).toString('base64url')
  const deep = JSON.parse('{"x":'.repeat(12) + '1' + '}'.repeat(12)) as object

  test.each([
    ['what was cut off', `${mark}eyJ0aG91`],
    ['what is no thought', sealed({ thoughts: [{ text: 1 }] })],
    ['a summary', sealed({ summary: 'x' })],
    ['what is nested without an end', sealed({ thoughts: [{ text: '', provider: { a: deep } }] })],
    ['too many', sealed({ thoughts: Array.from({ length: 300 }, () => ({ text: '', provider: {} })) })],
  ])('by this server, and is not what it gave, is refused by name: %s', async (_, content) => {
    expect(await ask(content)).toMatchObject({
      status: 400,
      body: { error: { param: 'input[0].encrypted_content' } },
    })
  })

  test('by another server is left out, and the rest of the item stays', async () => {
    const { status, body } = await ask('gAAAAABpM0Yj-not-ours=')
    expect(status).toBe(200)
    const { data } = await client.responses.inputItems.list(body.id, { order: 'asc', include })
    expect(data[0]).toEqual({
      id: expect.any(String),
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'Hm' }],
    })
  })
})
