import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import OpenAI from 'openai'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { hangs, holdsBack, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

const apiKey = 'a-key-of-the-test-0123456789'
let upstream: Upstream
let server: TestServer
let client: OpenAI

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, API_KEY: apiKey })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const finalTypes = new Set(['response.completed', 'response.failed', 'response.incomplete', 'error'])

/** A connection that asks for one response after the other. */
async function connect() {
  const socket = new WebSocket(`${server.url}/v1/responses`, {
    headers: { authorization: `Bearer ${apiKey}` },
  })
  const events: Json[] = []
  /** How many responses were asked for, by their stream. */
  const asked = new Map<string | undefined, number>()
  socket.on('message', (data) => events.push(JSON.parse((data as Buffer).toString())))
  await once(socket, 'open')
  return {
    socket,
    events,
    /** Resolves with the end of its response: the next one of its stream. */
    async ask(body: Json): Promise<Json> {
      const streamId = body.stream_id
      const ends = () => events.filter((event) => finalTypes.has(event.type) && event.stream_id === streamId)
      const before = asked.get(streamId) ?? 0
      asked.set(streamId, before + 1)
      socket.send(JSON.stringify({ type: 'response.create', model: 'openai/echo', ...body }))
      return until('answered', () => ends()[before])
    },
    close: () => socket.close(),
  }
}

test('responses are streamed over one connection of the official client', async () => {
  const socket = new ResponsesWS(client)
  const types: string[] = []
  const texts: string[] = []
  socket.on('event', (event) => {
    types.push(event.type)
    if (event.type !== 'response.completed') return
    const [item] = event.response.output
    texts.push(
      item?.type === 'message' && item.content[0]?.type === 'output_text' ? item.content[0].text : '',
    )
    if (texts.length === 2) socket.close()
  })
  const ended = new Promise((resolve) => socket.on('close', resolve))
  for (const input of ['One', 'Two']) socket.send({ type: 'response.create', model: 'openai/echo', input })
  await ended
  expect(texts).toEqual(['You said: One', 'You said: Two'])
  expect(types.filter((type) => type === 'response.created')).toHaveLength(2)
  expect(types.indexOf('response.completed')).toBeLessThan(types.lastIndexOf('response.created'))
})

test('what is not stored is gone on with on its own connection only, and gone with it', async () => {
  const first = await connect()
  const { response } = await first.ask({ input: 'My word is papaya', store: false })
  const next = { input: 'Which?', store: false, previous_response_id: response.id }
  const second = await first.ask(next)
  expect(second.response.status).toBe('completed')
  const asked = upstream.requests.at(-1)?.body.messages.map(({ content }) => content)
  expect(asked).toEqual(['My word is papaya', 'You said: My word is papaya', 'Which?'])

  const other = await connect()
  expect(await other.ask(next)).toMatchObject({
    type: 'error',
    status: 400,
    error: { code: 'previous_response_not_found' },
  })
  expect(await other.ask({ input: 'Hello' })).toMatchObject({ type: 'response.completed' })
  other.close()

  first.close()
  const path = `/v1/messages/${response.id.replace(/^resp_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`
  await until('gone', async () => (await server.get(path)).status === 404)
})

test('a message that is wrong is refused by name, and the connection goes on', async () => {
  const { ask, socket, close } = await connect()
  expect(await ask({ input: 'Hello', background: true })).toMatchObject({
    type: 'error',
    status: 400,
    error: { param: 'background', code: 'unsupported_parameter' },
  })
  socket.send('no json')
  expect(await ask({ input: 'Hello' })).toMatchObject({ type: 'error', error: { code: 'malformed_body' } })
  expect(await ask({ input: 'Hello' })).toMatchObject({ type: 'response.completed' })
  close()
})

test('a request is prepared without a model, and gone on with over its connection', async () => {
  const { ask, close } = await connect()
  const model = 'openai/prepared'
  const input = [{ role: 'user', content: 'My word is papaya' }]
  const prepared = await ask({ model, generate: false, store: false, instructions: 'Be brief.', input })
  expect(prepared).toMatchObject({
    type: 'response.completed',
    response: { status: 'completed', output: [], usage: { total_tokens: 0 } },
  })
  const behind = { model, store: false, previous_response_id: prepared.response.id, input: [] }
  const answered = await ask(behind)
  expect(answered.response.output[0].content[0].text).toBe('You said: My word is papaya')
  const asked = upstream.requests.filter((request) => request.model === 'prepared')
  expect(asked.map(({ body }) => body.messages.map(({ content }) => content))).toEqual([
    ['My word is papaya'],
  ])
  close()
})

test('what was prepared and is to be stored stays, for every door', async () => {
  const { ask, close } = await connect()
  const { response } = await ask({ generate: false, input: 'Hello' })
  close()
  expect(await client.responses.retrieve(response.id)).toMatchObject({ status: 'completed', output: [] })
  const answered = await client.responses.create({ model: 'openai/echo', previous_response_id: response.id })
  expect(answered.output_text).toBe('You said: Hello')
})

describe('streams of one connection', () => {
  test('do not wait for each other, and tell which they are', async () => {
    const { behaviour, goOn } = holdsBack(['A '], ['b'])
    upstream.behaves('held', behaviour)
    const { ask, events, close } = await connect()
    const slow = ask({ model: 'openai/held', input: 'Hello', stream_id: 'slow' })
    const behind = ask({ input: 'Two', stream_id: 'slow' })
    await upstream.asked('held')
    const quick = await ask({
      input: 'One',
      stream_id: 'quick',
      stream_options: { include_obfuscation: false },
    })
    expect(quick).toMatchObject({ type: 'response.completed', stream_id: 'quick' })
    expect(await ask({ stream_id: 'quick' })).toMatchObject({ type: 'error', stream_id: 'quick' })
    goOn()
    expect(await slow).toMatchObject({ type: 'response.completed', stream_id: 'slow' })
    expect(await behind).toMatchObject({ response: { output: [{ content: [{ text: 'You said: Two' }] }] } })
    const ofSlow = events.filter(({ stream_id: id }) => id === 'slow').map(({ type }) => type)
    expect(ofSlow.indexOf('response.completed')).toBeLessThan(ofSlow.lastIndexOf('response.created'))
    close()
  })

  test('go on behind what another one made, though it is not stored', async () => {
    const { ask, close } = await connect()
    const first = await ask({ input: 'My word is papaya', store: false, stream_id: 'a' })
    const behind = { input: 'Which?', store: false, previous_response_id: first.response.id }
    for (const stream_id of ['b', 'c']) {
      expect(await ask({ ...behind, stream_id })).toMatchObject({ type: 'response.completed', stream_id })
    }
    expect(upstream.requests.at(-1)?.body.messages).toHaveLength(3)
    close()
  })
})

test('a stored response goes on without its connection', async () => {
  upstream.behaves('slow', hangs())
  const { socket } = await connect()
  const created = once(socket, 'message')
  socket.send(JSON.stringify({ type: 'response.create', model: 'openai/slow', input: 'Hello' }))
  const [data] = (await created) as [Buffer]
  const { response } = JSON.parse(data.toString())
  const asked = await upstream.asked('slow')
  socket.terminate()
  expect((await client.responses.retrieve(response.id)).status).toBe('in_progress')
  await client.responses.cancel(response.id)
  await asked.closed
})

test('a response that is deleted while it is made ends with an error, and the connection goes on', async () => {
  upstream.behaves('unending', hangs())
  const { socket, ask, close } = await connect()
  const created = once(socket, 'message')
  const asked = ask({ model: 'openai/unending', input: 'Hello' })
  const [data] = (await created) as [Buffer]
  const { response } = JSON.parse(data.toString())
  await upstream.asked('unending')
  await client.responses.delete(response.id)
  const message = 'The response was deleted while it was made.'
  expect(await asked).toMatchObject({ type: 'error', status: 410, error: { code: 'removed', message } })
  expect(await ask({ input: 'Hello' })).toMatchObject({ type: 'response.completed' })
  close()
})

test('a connection is refused without a key, and to the pages of others', async () => {
  const refusal = async (headers: Record<string, string>) => {
    const socket = new WebSocket(`${server.url}/v1/responses`, { headers })
    const [, answer] = await once(socket, 'unexpected-response')
    socket.on('error', () => {})
    socket.terminate()
    return answer.statusCode as number
  }
  expect(await refusal({})).toBe(401)
  expect(await refusal({ authorization: `Bearer ${apiKey}`, origin: 'https://evil.example' })).toBe(403)
})

test('who asks for HTTP/2 by the way is answered as ever, and without a WebSocket there is nothing', async () => {
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' }
  const status = await new Promise((resolve, reject) => {
    httpRequest(`${server.url}/healthz`, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
  expect(status).toBe(200)
  expect((await server.get('/v1/responses')).status).toBe(426)
})
