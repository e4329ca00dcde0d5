import { createOpenAI } from '@ai-sdk/openai'
import { createOpenResponses } from '@ai-sdk/open-responses'
import type { LanguageModelV4 } from '@ai-sdk/provider'
import { Agent, OpenAIConversationsSession, OpenAIProvider, Runner, tool as agentTool } from '@openai/agents'
import { generateText, isStepCount, type ModelMessage, streamText, tool } from 'ai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type Behaviour, says, startUpstream, type Upstream } from '../support/upstream.ts'

let parley: TestServer
let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({ PROVIDERS: JSON.stringify({ lab: { base_url: upstream.url } }) })
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

/** Calls a tool for what it is asked, and then says what came of it, of how many things that were said. */
const meteorologist: Behaviour = (response, request) => {
  const { messages } = request.body
  const last = messages.at(-1)
  if (last?.role === 'tool')
    return says([`It is ${String(last.content)} there`, `, ${messages.length}.`])(response, request)
  const id = `call_${messages.length}`
  const city = JSON.stringify({ city: String(last?.content) })
  const call = { index: 0, id, type: 'function', function: { name: 'weather', arguments: city } }
  return says([], { before: [{ tool_calls: [call] }], reason: 'tool_calls' })(response, request)
}

const inputSchema = z.object({ city: z.string() })
const weatherOf = (asked: string[]) => (given: { city: string }) => {
  asked.push(given.city)
  return Promise.resolve(`rainy in ${given.city}`)
}

describe('the AI SDK', () => {
  const models: Array<[string, () => LanguageModelV4]> = [
    ['OpenAI, responses', () => createOpenAI(options()).responses('lab/weather')],
    ['OpenAI, chat completions', () => createOpenAI(options()).chat('lab/weather')],
    [
      'Open Responses',
      () => createOpenResponses({ name: 'parley', url: `${parley.url}/v1/responses` })('lab/weather'),
    ],
  ]
  const options = () => ({ baseURL: `${parley.url}/v1`, apiKey: 'none' })

  test.each(models)('has a conversation of several turns with tools: %s', async (_, model) => {
    upstream.behaves('weather', meteorologist)
    const asked: string[] = []
    const weather = tool({ inputSchema, execute: weatherOf(asked) })
    const messages: ModelMessage[] = []
    for (const city of ['Bonn', 'Rome']) {
      messages.push({ role: 'user', content: city })
      const { text, responseMessages } = await generateText({
        model: model(),
        messages,
        tools: { weather },
        stopWhen: isStepCount(3),
      })
      expect(text).toMatch(new RegExp(`^It is "?rainy in ${city}"? there, ${city === 'Bonn' ? 3 : 7}\\.$`))
      messages.push(...responseMessages)
    }
    expect(asked).toEqual(['Bonn', 'Rome'])
  })

  test.each(models)('streams an answer with tools: %s', async (_, model) => {
    upstream.behaves('weather', meteorologist)
    const asked: string[] = []
    const { textStream, finishReason } = streamText({
      model: model(),
      prompt: 'Bonn',
      tools: { weather: tool({ inputSchema, execute: weatherOf(asked) }) },
      stopWhen: isStepCount(3),
    })
    const text = (await Array.fromAsync(textStream)).join('')
    expect(text).toMatch(/^It is "?rainy in Bonn"? there, 3\.$/)
    expect([await finishReason, asked]).toEqual(['stop', ['Bonn']])
  })
})

describe('the Agents SDK', () => {
  test.each([
    ['whole', false],
    ['streamed', true],
  ])('runs an agent with tools, and keeps what was said as a conversation: %s', async (_, stream) => {
    upstream.behaves('agent', meteorologist)
    const openAIClient = openAiClient(parley)
    const asked: string[] = []
    const agent = new Agent({
      name: 'Meteorologist',
      model: 'lab/agent',
      tools: [
        agentTool({
          name: 'weather',
          description: 'The weather of a city.',
          parameters: inputSchema,
          execute: weatherOf(asked),
        }),
      ],
    })
    // What these classes take of the client is the same in their own version of it.
    const modelProvider = new OpenAIProvider({ openAIClient: openAIClient as never, useResponses: true })
    const runner = new Runner({ modelProvider, tracingDisabled: true })
    const session = new OpenAIConversationsSession({ client: openAIClient as never })
    for (const city of ['Bonn', 'Rome']) {
      const ran = stream
        ? await runner.run(agent, city, { session, stream: true })
        : await runner.run(agent, city, { session })
      if ('completed' in ran) {
        for await (const event of ran) expect(event.type).toMatch(/\w/)
        await ran.completed
      }
      expect(ran.finalOutput).toContain(`rainy in ${city}`)
    }
    expect(asked).toEqual(['Bonn', 'Rome'])
    const kept = await Array.fromAsync(
      openAIClient.conversations.items.list((await session.getSessionId()) ?? '', { order: 'asc' }),
    )
    const turn = ['message', 'function_call', 'function_call_output', 'message']
    expect(kept.map(({ type }) => type)).toEqual([...turn, ...turn])
  })
})
