import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import OpenAI from 'openai'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { hangs, startUpstream, type Upstream } from '../support/upstream.ts'
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
  socket.on('message', (data) => events.push(JSON.parse((data as Buffer).toString())))
  await once(socket, 'open')
  let seen = 0
  return {
    socket,
    async ask(body: object): Promise<Json> {
      socket.send(JSON.stringify({ type: 'response.create', model: 'openai/echo', ...body }))
      const at = await until('answered', () => {
        const found = events.findIndex(({ type }, index) => index >= seen && finalTypes.has(type))
        return found !== -1 && found + 1
      })
      seen = at
      return events[at - 1]
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
  expect(await asked).toMatchObject({ type: 'error', status: 404, error: { code: 'not_found', message } })
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
