import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { says, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
let server: TestServer
let path: string

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({
    OPENAI_BASE_URL: upstream.url,
    HEARTBEAT_MS: '200',
    MAX_STREAMS: '2',
    MAX_REPLY_CHARS: '100000000',
  })
  // Longer than what the system keeps for a reader who takes nothing.
  upstream.behaves('long', says(Array.from({ length: 400 }, (_, index) => `${index} ${'x'.repeat(40_000)}`)))
  const { reply } = await server.say(await server.begin({ model: 'openai/long' }), 'Tell me all')
  path = `/v1/messages/${reply.id}/events`
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

/** Asks for the stream and takes nothing but its head. */
async function stall(): Promise<Socket> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  socket.pause()
  expect(head.toString()).toMatch(/^HTTP\/1.1 200/)
  return socket
}

/** What somebody who comes now is told. */
async function status(): Promise<number> {
  const reader = await server.open(path)
  reader.close()
  return reader.status
}

test('a reader that takes nothing holds up no other', async () => {
  const socket = await stall()
  const events = await server.events(path)
  expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index + 1))
  expect(events.at(-1)?.type).toBe('reply.completed')
  socket.destroy()
})

test('readers that take nothing are let go after a while, and their places with them', async () => {
  const stalled = [await stall(), await stall()]
  expect(await status()).toBe(503)
  await until('let go', async () => (await status()) === 200)
  for (const socket of stalled) socket.destroy()
})

test('a reader that takes nothing does not keep the server from stopping', async () => {
  const socket = await stall()
  await server.restart()
  socket.destroy()
})

test('readers that leave while their message is stored give their places back', async () => {
  const id = await server.begin({ model: 'openai/any' })
  const body = JSON.stringify({ content: 'Hello', stream: true })
  const head = `POST /v1/interactions/${id}/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json`
  const leave = async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`, () => socket.resetAndDestroy())
    await once(socket, 'close')
  }
  // Many at once, so that some wait for their place in a commit.
  await Promise.all(Array.from({ length: 50 }, leave))
  await until('free again', async () => (await status()) === 200)
  const { data } = (await server.get(`/v1/interactions/${id}/messages?limit=100`)).body
  expect(data.filter(({ role }: Json) => role === 'AI')).toHaveLength(data.length / 2)
})
