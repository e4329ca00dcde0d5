import type OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { says, startUpstream, type Upstream } from '../support/upstream.ts'

let parley: TestServer
let upstream: Upstream
let openai: OpenAI
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({ OPENAI_BASE_URL: upstream.url })
  openai = openAiClient(parley)
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

const question = 'The weather in Rome and Oslo?'
const cities = ['{"city":"Rome"}', '{"city":"Oslo"}']
const weather = ['sun', 'snow']
const tool = { name: 'weather', parameters: { type: 'object', properties: {} }, strict: false }

/** Asks, has what the model calls answered, and resolves with the arguments of its calls. */
type Door = (model: string) => Promise<string[]>

const native: Door = async (model) => {
  const id = await parley.begin({ model })
  const { reply } = await parley.say(id, question, { tools: [{ type: 'function', ...tool }] })
  const calls = reply.content as Array<{ call_id: string; arguments: string }>
  const results = calls.map((call, index) => ({
    type: 'tool_result',
    call_id: call.call_id,
    output: weather[index],
  }))
  await parley.say(id, results, { role: 'Tool' })
  return calls.map((call) => call.arguments)
}

const responses =
  (isStreamed: boolean): Door =>
  async (model) => {
    const asked = { model, input: question, tools: [{ type: 'function' as const, ...tool }] }
    const response = isStreamed
      ? await openai.responses.stream(asked).finalResponse()
      : await openai.responses.create(asked)
    const output: OpenAI.Responses.ResponseOutputItem[] = response.output
    const calls = output.filter((item) => item.type === 'function_call')
    const input = calls.map((call, index) => ({
      type: 'function_call_output' as const,
      call_id: call.call_id,
      output: weather[index] ?? '',
    }))
    await openai.responses.create({ model, previous_response_id: response.id, input })
    return calls.map((call) => call.arguments)
  }

const chat =
  (isStreamed: boolean): Door =>
  async (model) => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: question }]
    const asked = { model, messages, tools: [{ type: 'function' as const, function: tool }] }
    const completion = isStreamed
      ? await openai.chat.completions.stream(asked).finalChatCompletion()
      : await openai.chat.completions.create(asked)
    const message = completion.choices[0]?.message
    if (!message) throw new Error('no answer')
    const calls = (message.tool_calls ?? []).filter((call) => call.type === 'function')
    const results = calls.map(({ id }, index) => ({
      role: 'tool' as const,
      tool_call_id: id,
      content: weather[index] ?? '',
    }))
    await openai.chat.completions.create({ model, messages: [...messages, message, ...results] })
    return calls.map((call) => call.function.arguments)
  }

const doors: Array<[string, Door]> = [
  ['the native API', native],
  ['responses', responses(false)],
  ['streamed responses', responses(true)],
  ['chat completions', chat(false)],
  ['streamed chat completions', chat(true)],
]

const call = (args: string | undefined, more: object) => ({
  tool_calls: [{ type: 'function', function: { name: 'weather', arguments: args }, ...more }],
})

describe.each([
  ['under one index', [call(cities[0], { index: 0, id: 'a' }), call(cities[1], { index: 0, id: 'b' })]],
  ['without an index', [call(cities[0], { id: 'a' }), call(cities[1], { id: 'b' })]],
  ['under one index, without ids', [call(cities[0], { index: 0 }), call(cities[1], { index: 0 })]],
  ['under one id', [call(cities[0], { index: 0, id: 'a' }), call(cities[1], { index: 1, id: 'a' })]],
])('calls of tools at the same time that a provider sends %s', (shape, before) => {
  test.each(doors)('are two calls, each with its result, through %s', async (door, turn) => {
    const model = `${shape} through ${door}`
    upstream.behaves(model, says([], { before, reason: 'tool_calls' }), says(['Fine.']))
    expect(await turn(`openai/${model}`)).toEqual(cities)
    const [, asked, ...results] = (await upstream.asked(model, 2)).body.messages as Json[]
    const ids = asked.tool_calls.map(({ id }: { id: string }) => id)
    expect(new Set(ids).size).toBe(2)
    expect(asked.tool_calls).toMatchObject(cities.map((args) => ({ function: { arguments: args } })))
    expect(results).toEqual(
      weather.map((content, index) => ({ role: 'tool', tool_call_id: ids[index], content })),
    )
  })
})
