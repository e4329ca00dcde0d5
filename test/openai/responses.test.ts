import OpenAI from 'openai'
import type { ResponseStreamEvent } from 'openai/resources/responses/responses'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAnswerCheck, type OpenApi, operationsOf } from '../support/openapi.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { holdsBack, says, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
let server: TestServer
let client: OpenAI
let check: ReturnType<typeof createAnswerCheck>
let openapi: OpenApi

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
  openapi = (await server.get('/openapi.json')).body
  check = createAnswerCheck(openapi)
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

let models = 0
const newModel = () => `model-${(models += 1)}`

/** Of a stream: every event, whose numbers are 0, 1, 2, … from `first` on. */
async function all(stream: AsyncIterable<ResponseStreamEvent>, first = 0): Promise<ResponseStreamEvent[]> {
  const events = await Array.fromAsync(stream)
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => first + index))
  return events
}

const typesOf = (events: ResponseStreamEvent[]) => events.map(({ type }) => type)
const deltasOf = (events: ResponseStreamEvent[]) =>
  events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('')

/** What is wrong with a response, by the reference. */
function wrongWith(body: unknown) {
  const operation = operationsOf(openapi).find(
    ({ method, path }) => method === 'GET' && path === '/v1/responses/{id}',
  )
  if (!operation) throw new Error('not in the reference')
  const { output_text: _, ...response } = body as { output_text?: string }
  return check(operation, { status: 200, contentType: 'application/json', body: response })
}

describe('a response', () => {
  test('is the answer to a text', async () => {
    const response = await client.responses.create({ model: 'openai/echo', input: 'Hello' })
    expect(response).toMatchObject({
      object: 'response',
      status: 'completed',
      model: 'openai/echo',
      output_text: 'You said: Hello',
      error: null,
      usage: { input_tokens: 7, output_tokens: 3, total_tokens: 10 },
    })
    expect(response.id).toMatch(/^resp_[\da-f]{32}$/)
    expect(wrongWith(response)).toBeUndefined()
    expect(await client.responses.retrieve(response.id)).toEqual(response)
  })

  test('tells again all that it was asked with, also after a restart', async () => {
    const asked = {
      model: 'openai/echo',
      input: 'Hello',
      instructions: 'Be brief.',
      metadata: { topic: 'greeting' },
      temperature: 0.5,
      top_p: 0.25,
      max_output_tokens: 100,
      max_tool_calls: 3,
      service_tier: 'flex',
      safety_identifier: 'somebody',
      prompt_cache_key: 'greetings',
      truncation: 'auto',
      user: 'alice',
      parallel_tool_calls: false,
      reasoning: { effort: 'low', summary: 'auto' },
      text: { verbosity: 'low', format: { type: 'text' } },
    } as const
    const response = await client.responses.create(asked)
    const { input: _, ...told } = asked
    expect(response).toMatchObject(told)
    expect(wrongWith(response)).toBeUndefined()
    await server.restart()
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
    expect(await client.responses.retrieve(response.id)).toEqual(response)
  })

  test('gives its instructions and its items to the model', async () => {
    const model = newModel()
    await client.responses.create({
      model: `openai/${model}`,
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'Rhyme.' },
        { role: 'user', content: 'My name is Alice.' },
        { role: 'assistant', content: 'Hello Alice!' },
        { role: 'user', content: [{ type: 'input_text', text: 'What is my name?' }] },
      ],
    })
    expect((await upstream.asked(model)).body.messages).toEqual([
      { role: 'system', content: 'Be brief.\n\nRhyme.' },
      { role: 'user', content: 'My name is Alice.' },
      { role: 'assistant', content: 'Hello Alice!' },
      { role: 'user', content: 'What is my name?' },
    ])
  })

  test('goes on behind the one before it, without its instructions', async () => {
    const model = newModel()
    const first = await client.responses.create({
      model: `openai/${model}`,
      instructions: 'Be brief.',
      input: 'I am Alice',
    })
    const second = await client.responses.create({
      model: `openai/${model}`,
      previous_response_id: first.id,
      input: 'Who am I?',
    })
    expect(second.previous_response_id).toBe(first.id)
    expect((await upstream.asked(model, 2)).body.messages).toEqual([
      { role: 'user', content: 'I am Alice' },
      { role: 'assistant', content: 'You said: I am Alice' },
      { role: 'user', content: 'Who am I?' },
    ])
  })

  test('goes another way behind one that has a follower, and both are gone on with', async () => {
    const model = newModel()
    const ask = (input: string, previous?: OpenAI.Responses.Response) =>
      client.responses.create({ model: `openai/${model}`, input, previous_response_id: previous?.id ?? null })
    const first = await ask('One')
    const second = await ask('Two', first)
    const other = await ask('Or else', first)
    await ask('And then', other)
    await ask('Three', second)
    const told = async (count: number) =>
      (await upstream.asked(model, count)).body.messages.map(({ content }) => content)
    expect(await told(3)).toEqual(['One', 'You said: One', 'Or else'])
    const way = ['One', 'You said: One', 'Or else', 'You said: Or else', 'And then']
    expect(await told(4)).toEqual(way)
    expect(await told(5)).toEqual(['One', 'You said: One', 'Two', 'You said: Two', 'Three'])
    await client.responses.delete(second.id)
    expect((await client.responses.retrieve(other.id)).output_text).toBe('You said: Or else')
  })

  test('that is cut off says where', async () => {
    const model = newModel()
    upstream.behaves(model, says(['Half ', 'an '], { reason: 'length' }))
    const response = await client.responses.create({ model: `openai/${model}`, input: 'Hello' })
    expect(response).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ type: 'message', status: 'incomplete' }],
    })
  })

  test('is read through the native door', async () => {
    const { id } = await client.responses.create({ model: 'openai/echo', input: 'Hello' })
    const digits = /^resp_(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(id)?.slice(1) ?? []
    const { body } = await server.get(`/v1/messages/${digits.join('-')}`)
    expect(body).toMatchObject({ role: 'AI', text: 'You said: Hello', status: 'completed' })
  })

  test('is deleted with what was said for it', async () => {
    const { id } = await client.responses.create({ model: 'openai/echo', input: 'Hello' })
    expect(await client.responses.delete(id)).toEqual({ id, object: 'response', deleted: true })
    await expect(client.responses.retrieve(id)).rejects.toMatchObject({ status: 404, code: 'not_found' })
    await expect(client.responses.delete(id)).rejects.toMatchObject({ status: 404 })
  })

  test('that is not to be stored is gone once it was delivered', async () => {
    const body = { model: 'openai/echo', input: 'Secret', store: false }
    const { body: response } = await server.post('/v1/responses', body)
    expect(response).toMatchObject({ store: false, status: 'completed' })
    await expect(client.responses.retrieve(response.id)).rejects.toMatchObject({ status: 404 })
    const digits = /^resp_(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(response.id)?.slice(1) ?? []
    await until('gone', async () => (await server.get(`/v1/messages/${digits.join('-')}`)).status === 404)
  })

  const keyed = (key: string): Array<Record<string, string>> => [1, 2].map(() => ({ 'idempotency-key': key }))
  const counted: Array<Record<string, string>> = [0, 1].map((tries) => ({
    'x-stainless-retry-count': `${tries}`,
  }))
  test.each([
    ['with a key', false, ...keyed('whole')],
    ['with a key, streamed', true, ...keyed('streamed')],
    ['counted', false, ...counted],
    ['counted, streamed', true, ...counted],
  ])('that is not to be stored and comes again, %s, is answered once more', async (_, stream, ...tries) => {
    const model = newModel()
    const body = JSON.stringify({ model: `openai/${model}`, input: 'Secret', store: false, stream })
    const answers: Array<{ status: number; text: string }> = []
    for (const given of tries) {
      const headers = { 'content-type': 'application/json', ...given }
      const answer = await fetch(`${server.url}/v1/responses`, { method: 'POST', headers, body })
      answers.push({ status: answer.status, text: await answer.text() })
    }
    expect(answers[0]).toEqual({ status: 200, text: expect.stringContaining('You said: Secret') })
    expect(answers[1]).toEqual(answers[0])
    expect(upstream.requests.filter((request) => request.model === model)).toHaveLength(1)
  })

  test('lists the items that it was given, page by page', async () => {
    const { id } = await client.responses.create({
      model: 'openai/echo',
      input: [1, 2, 3].map((number) => ({ role: 'user', content: `Number ${number}` })),
    })
    const page = await client.responses.inputItems.list(id, { limit: 2 })
    expect(page.has_more).toBe(true)
    const items = await Array.fromAsync(client.responses.inputItems.list(id, { limit: 2, order: 'asc' }))
    expect(items).toMatchObject(
      [1, 2, 3].map((number) => ({
        type: 'message',
        role: 'user',
        content: [{ type: 'input_text', text: `Number ${number}` }],
      })),
    )
  })

  test('is made once, however often its client tries', async () => {
    const model = newModel()
    const ask = (tries: number) =>
      client.responses.create(
        { model: `openai/${model}`, input: 'Hello' },
        { headers: { 'x-stainless-retry-count': String(tries) } },
      )
    const first = await ask(0)
    expect(await ask(1)).toEqual(first)
    expect((await ask(0)).id).not.toBe(first.id)
  })
})

describe('a stream', () => {
  test('tells a response from its beginning to its end', async () => {
    const model = newModel()
    upstream.behaves(model, says(['A ', 'b ', 'c']))
    const events = await all(
      await client.responses.create({ model: `openai/${model}`, input: 'Hello', stream: true }),
    )
    expect([...new Set(typesOf(events))]).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(deltasOf(events)).toBe('A b c')
    const last = events.at(-1)
    if (last?.type !== 'response.completed') throw new Error('not completed')
    const { output_text: _, ...stored } = await client.responses.retrieve(last.response.id)
    expect(last.response).toEqual(stored)
    for (const event of events) {
      if ('response' in event) expect(wrongWith(event.response), event.type).toBeUndefined()
    }
  })

  test('is gone through by the helper of the client', async () => {
    const stream = client.responses.stream({ model: 'openai/echo', input: 'Hello' })
    expect((await stream.finalResponse()).output_text).toBe('You said: Hello')
  })

  test('goes on behind any event, and has the same events for everybody', async () => {
    const model = newModel()
    const { behaviour, goOn } = holdsBack(['A ', 'b '], ['c ', 'd'])
    upstream.behaves(model, behaviour)
    const live = await client.responses.create({ model: `openai/${model}`, input: 'Hello', stream: true })
    const seen: ResponseStreamEvent[] = []
    let id = ''
    for await (const event of live) {
      if (event.type === 'response.created') id = event.response.id
      seen.push(event)
      if (event.type === 'response.output_text.delta') break
    }
    const last = seen.at(-1)?.sequence_number ?? 0
    const rest = all(await client.responses.retrieve(id, { stream: true, starting_after: last }), last + 1)
    goOn()
    const events = [...seen, ...(await rest)]
    expect(deltasOf(events)).toBe('A b c d')
    expect(await all(await client.responses.retrieve(id, { stream: true }))).toEqual(events)
    const end = events.at(-1)?.sequence_number ?? 0
    expect(await all(await client.responses.retrieve(id, { stream: true, starting_after: end }))).toEqual([])
  })

  test('of one in the background begins with its waiting, and outlives its reader', async () => {
    const model = newModel()
    const { behaviour, goOn } = holdsBack(['A '], ['b'])
    upstream.behaves(model, behaviour)
    const stream = await client.responses.create({
      model: `openai/${model}`,
      input: 'Hello',
      background: true,
      stream: true,
    })
    let id = ''
    for await (const event of stream) {
      if (event.type === 'response.created') {
        id = event.response.id
        expect(event.response).toMatchObject({ status: 'queued', background: true })
      }
      if (event.type === 'response.output_text.delta') break
    }
    expect(await client.responses.retrieve(id)).toMatchObject({ status: 'in_progress' })
    goOn()
    const replayed = client.responses.stream({ response_id: id })
    expect((await replayed.finalResponse()).output_text).toBe('A b')
    const events = await all(await client.responses.retrieve(id, { stream: true }))
    expect(typesOf(events).slice(0, 3)).toEqual([
      'response.created',
      'response.queued',
      'response.in_progress',
    ])
  })
})

describe('in the background', () => {
  test('a response is answered at once, and ends by itself', async () => {
    const model = newModel()
    const { behaviour, goOn } = holdsBack([], ['Hello'])
    upstream.behaves(model, behaviour)
    const asked = { model: `openai/${model}`, input: 'Hello', background: true }
    const response = await client.responses.create(asked)
    expect(response).toMatchObject({ background: true, output: [] })
    expect(['queued', 'in_progress']).toContain(response.status)
    expect(wrongWith(response)).toBeUndefined()
    goOn()
    const ended = await until('ended', async () => {
      const now = await client.responses.retrieve(response.id)
      return now.status === 'completed' && now
    })
    expect(ended.output_text).toBe('Hello')
  })

  test('it is cancelled, with what was said so far, and its readers hear of it', async () => {
    const model = newModel()
    upstream.behaves(model, holdsBack(['A '], ['b']).behaviour)
    const { id } = await client.responses.create({
      model: `openai/${model}`,
      input: 'Hello',
      background: true,
    })
    const reader = all(await client.responses.retrieve(id, { stream: true }))
    await until('begun', async () => (await server.get(`/v1/responses/${id}`)).body.status === 'in_progress')
    const cancelled = await client.responses.cancel(id)
    expect(cancelled.status).toBe('cancelled')
    expect(await client.responses.cancel(id)).toEqual(cancelled)
    const last = (await reader).at(-1)
    expect(last).toMatchObject({ type: 'response.incomplete', response: { status: 'cancelled' } })
    await (
      await upstream.asked(model)
    ).closed
  })
})
