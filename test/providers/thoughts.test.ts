import type OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type Behaviour, refuses, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ PROVIDERS: JSON.stringify({ lab: { base_url: upstream.url } }) })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const tool = { name: 'look', parameters: { type: 'object', properties: {} }, strict: false }
const tools = [{ type: 'function' as const, ...tool }]
const chatTools = [{ type: 'function' as const, function: tool }]
const result = [{ type: 'tool_result', call_id: 'call_1', output: 'blue' }]
const call = { id: 'call_1', type: 'function' as const, function: { name: 'look', arguments: '{}' } }

const complete = (body: OpenAI.ChatCompletionCreateParamsNonStreaming) =>
  openAiClient(server).chat.completions.create(body)

/** Thinks, in a field of that name, and calls a tool. */
const thinksAndCalls = (field: string): Behaviour =>
  says([], {
    before: [{ [field]: 'Let me ' }, { [field]: 'look.' }, { tool_calls: [{ index: 0, ...call }] }],
    reason: 'tool_calls',
  })
const thinksAndSays = (field: string, text: string): Behaviour =>
  says([text], { before: [{ [field]: 'It is blue.' }] })

const missed = 'The `reasoning_content` in the thinking mode must be passed back to the API.'
const unknown = "property 'reasoning_content' is unsupported"

/** What the `count`-th request tells again of what was thought, message by message of the assistant's. */
async function thoughtsIn(model: string, count: number) {
  const { body } = await upstream.asked(model, count)
  const messages = body.messages as Array<{ role: string; reasoning_content?: string }>
  return messages.filter(({ role }) => role === 'assistant').map((message) => message.reasoning_content)
}

describe('a model that tells its thoughts as reasoning_content', () => {
  test('is told them again behind its calls, and where it has tools, behind all it said', async () => {
    const field = 'reasoning_content'
    upstream.behaves('thinker', thinksAndCalls(field), thinksAndSays(field, 'Blue.'), says(['Yes.']))
    const id = await server.begin({ model: 'lab/thinker' })
    await server.say(id, 'Which colour?', { tools })
    await server.restart()
    const { reply } = await server.say(id, result, { role: 'Tool', tools })
    expect(await thoughtsIn('thinker', 2)).toEqual(['Let me look.'])
    expect(reply.content).toEqual([
      { type: 'reasoning', text: 'It is blue.' },
      { type: 'text', text: 'Blue.' },
    ])
    await server.say(id, 'Sure?', { tools })
    expect(await thoughtsIn('thinker', 3)).toEqual(['Let me look.', 'It is blue.'])
    await server.say(id, 'Really?')
    expect(await thoughtsIn('thinker', 4)).toEqual(['Let me look.', undefined, undefined])
  })

  test('is not told them again where no tool is called', async () => {
    upstream.behaves('talker', thinksAndSays('reasoning_content', 'Blue.'))
    const id = await server.begin({ model: 'lab/talker' })
    await server.say(id, 'Which colour?')
    await server.say(id, 'Sure?')
    expect(await thoughtsIn('talker', 2)).toEqual([undefined])
  })

  test('is told those that a client kept', async () => {
    const field = 'reasoning_content'
    upstream.behaves('kept', thinksAndCalls(field), says(['Blue.']))
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Which colour?' }]
    const request = { model: 'lab/kept', messages, tools: chatTools }
    const { choices } = await complete(request)
    if (choices[0]) messages.push(choices[0].message)
    messages.push({ role: 'tool', tool_call_id: 'call_1', content: 'blue' })
    await complete(request)
    expect(await thoughtsIn('kept', 2)).toEqual(['Let me look.'])
  })
})

describe('what a client says that was thought', () => {
  const ask = (model: string) =>
    complete({
      model: `lab/${model}`,
      messages: [
        { role: 'user', content: 'Which colour?' },
        { role: 'assistant', tool_calls: [call], reasoning_content: 'Let me look.' } as never,
        { role: 'tool', tool_call_id: 'call_1', content: 'blue' },
      ],
      tools: chatTools,
    })

  test('is told to a model that says it misses it, from then on at once', async () => {
    upstream.behaves('misses', refuses(400, {}, { message: missed }), says(['Blue.']))
    const first = await ask('misses')
    expect(first.choices[0]?.message.content).toBe('Blue.')
    await ask('misses')
    expect(await thoughtsIn('misses', 1)).toEqual([undefined])
    expect(await thoughtsIn('misses', 2)).toEqual(['Let me look.'])
    expect(await thoughtsIn('misses', 3)).toEqual(['Let me look.'])
  })

  test('is not told to one that knows no such field', async () => {
    upstream.behaves('strict', thinksAndCalls('reasoning'), says(['Blue.']))
    await complete({ model: 'lab/strict', messages: [{ role: 'user', content: 'Hi' }] })
    await ask('strict')
    expect(await thoughtsIn('strict', 2)).toEqual([undefined])
  })

  test('is not told to one that refuses it, though it uses the field itself', async () => {
    const refusal = refuses(400, {}, { message: unknown })
    const field = 'reasoning_content'
    upstream.behaves('proxy', thinksAndCalls(field), refusal, thinksAndSays(field, 'Blue.'))
    await complete({ model: 'lab/proxy', messages: [{ role: 'user', content: 'Hi' }] })
    await ask('proxy')
    await ask('proxy')
    expect(await thoughtsIn('proxy', 2)).toEqual(['Let me look.'])
    expect(await thoughtsIn('proxy', 3)).toEqual([undefined])
    expect(await thoughtsIn('proxy', 4)).toEqual([undefined])
  })

  test('changes nothing of another refusal', async () => {
    upstream.behaves('refuses', refuses(400, {}, { message: 'no such tool' }))
    await expect(ask('refuses')).rejects.toMatchObject({ status: 400, code: 'provider_rejected' })
    expect(upstream.requests.filter(({ model }) => model === 'refuses')).toHaveLength(1)
  })
})
