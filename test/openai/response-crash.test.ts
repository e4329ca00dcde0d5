import OpenAI from 'openai'
import type { ResponseStreamEvent } from 'openai/resources/responses/responses'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import {
  callsTools,
  echoes,
  fallsSilentAfter,
  hangs,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  server = await spawnServer({ OPENAI_BASE_URL: upstream.url })
})
afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

const connect = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
const ends: Array<[name: string, again: string[], told: string, items: number]> = [
  ['the same', ['One ', 'two ', 'three'], 'One two three', 1],
  ['something else', ['One ', 'or ', 'two'], 'One two One or two', 2],
]

test.each(ends)(
  'who follows a response over a kill misses nothing and gets nothing twice, if the model then says %s',
  async (name, again, told, items) => {
    upstream.behaves(name, fallsSilentAfter(['One ', 'two ']), says(again))
    const stream = await connect().responses.create({
      model: `openai/${name}`,
      input: 'Count',
      background: true,
      stream: true,
    })
    const events: ResponseStreamEvent[] = []
    const seen = () =>
      events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('')
    for await (const event of stream) {
      events.push(event)
      if (seen() === 'One two ') break
    }
    const [created] = events
    if (created?.type !== 'response.created') throw new Error('not created')
    const { id } = created.response
    await server.end('SIGKILL')
    await server.start()

    const after = events.at(-1)?.sequence_number ?? 0
    const rest = await connect().responses.retrieve(id, { stream: true, starting_after: after })
    events.push(...(await Array.fromAsync(rest)))
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index))
    expect(seen()).toBe(told)
    expect(events.filter(({ type }) => type === 'response.output_item.added')).toHaveLength(items)
    const last = events.at(-1)
    if (last?.type !== 'response.completed') throw new Error('not completed')
    expect(last.response.id).toBe(id)
    const response = await connect().responses.retrieve(id)
    expect(response.output_text).toBe(again.join(''))
    expect(last.response.output).toEqual(response.output)

    const replayed = connect().responses.stream({ response_id: id })
    expect((await replayed.finalResponse()).output_text).toBe(again.join(''))
  },
)

test('who follows a response whose model calls a tool before a kill and after it hears of both, and has the second', async () => {
  const call = (place: string) => ({ id: 'call_1', name: 'weather', pieces: [JSON.stringify({ place })] })
  upstream.behaves('calls', callsTools([call('Rome')], { end: null }), callsTools([call('Bonn')]))
  const tools = [{ type: 'function' as const, name: 'weather', parameters: null, strict: null }]
  const { id: conversation } = await connect().conversations.create()
  const asked = {
    model: 'openai/calls',
    input: 'Weather?',
    background: true,
    stream: true,
    tools,
    conversation,
  } as const
  const stream = await connect().responses.create(asked)
  let id = ''
  for await (const event of stream) {
    if (event.type === 'response.created') ({ id } = event.response)
    if (event.type === 'response.function_call_arguments.delta') break
  }
  await server.end('SIGKILL')
  await server.start()

  const client = connect()
  const told = await client.responses.stream({ response_id: id, tools }).finalResponse()
  expect(told.output).toMatchObject([{ type: 'function_call', arguments: '{"place":"Bonn"}' }])
  const { output } = await client.responses.retrieve(id)
  expect(told.output).toMatchObject(output)
  const [item] = (await client.conversations.items.list(conversation)).data
  expect(item).toEqual(output[0])
  const named = { conversation_id: conversation }
  expect(await client.conversations.items.retrieve(item?.id ?? '', named)).toEqual(item)
})

test('what was summed up before a kill is not summed up again, and is told once', async () => {
  upstream.behaves('sums-up', says(['Alice likes papaya.']), hangs(), echoes())
  const asked = {
    model: 'openai/sums-up',
    input: [
      { role: 'user', content: 'I like papaya. '.repeat(400) },
      { role: 'assistant', content: 'Fine.' },
      { role: 'user', content: 'Which fruit?' },
    ],
    context_management: [{ type: 'compaction', compact_threshold: 1_000 }],
    background: true,
    stream: true,
  } satisfies OpenAI.Responses.ResponseCreateParamsStreaming
  const events: ResponseStreamEvent[] = []
  for await (const event of await connect().responses.create(asked)) {
    events.push(event)
    if (event.type === 'response.output_item.done') break
  }
  const [created] = events
  if (created?.type !== 'response.created') throw new Error('not created')
  await upstream.asked('sums-up', 2)
  await server.end('SIGKILL')
  await server.start()

  const { id } = created.response
  const after = events.at(-1)?.sequence_number ?? 0
  events.push(
    ...(await Array.fromAsync(
      await connect().responses.retrieve(id, { stream: true, starting_after: after }),
    )),
  )
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index))
  const added = events.flatMap((event) =>
    event.type === 'response.output_item.added' ? [event.item.type] : [],
  )
  expect(added).toEqual(['compaction', 'message'])
  const last = events.at(-1)
  if (last?.type !== 'response.completed') throw new Error('not completed')
  const response = await connect().responses.retrieve(id)
  expect(response.output).toEqual(last.response.output)
  expect(response.output_text).toBe('You said: Which fruit?')
  expect(upstream.requests.filter(({ model }) => model === 'sums-up')).toHaveLength(3)
})
