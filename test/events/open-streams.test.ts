import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EventReader } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { echoes, fallsSilentAfter, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
let server: TestServer

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  await server.stop()
  await upstream.stop()
})

/** Where to follow a reply that says one word and then nothing more. */
async function pathOfSilence(env: Record<string, string>) {
  server = await startServer({ OPENAI_BASE_URL: upstream.url, ...env })
  upstream.behaves('silent', fallsSilentAfter(['Well, ']), echoes())
  const id = await server.begin({ model: 'openai/silent' })
  const { reply } = (await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })).body
  return { id, path: `/v1/messages/${reply.id}/events` }
}

/** Reads `stream` until the first word. */
async function firstWords({ events }: EventReader) {
  const begun = [(await events.next()).value, (await events.next()).value]
  expect(begun[1]).toMatchObject({ type: 'text.delta', data: { text: 'Well, ' } })
  return begun
}

describe('a silent stream', () => {
  test('is kept open with comments, which are no events', async () => {
    const { path } = await pathOfSilence({ HEARTBEAT_MS: '100' })
    const response = await fetch(server.url + path)
    let text = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk)
      if (text.split(': keep-alive\n\n').length > 2) break
    }
    expect(text.replaceAll(': keep-alive\n\n', '').split('\n\n')).toHaveLength(3)
  })

  test('says what proxies must not do with it', async () => {
    const { path } = await pathOfSilence({})
    const { headers, close } = await server.open(path)
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(headers.get('cache-control')).toBe('no-cache, no-transform')
    expect(headers.get('x-accel-buffering')).toBe('no')
    close()
  })
})

describe('more streams than the server serves', () => {
  test('are refused, with the time to come back, until one is closed', async () => {
    const { path } = await pathOfSilence({ MAX_STREAMS: '2' })
    const readers = [await server.open(path), await server.open(path)]
    const refused = await server.get(path)
    expect(refused).toMatchObject({ status: 503, body: { code: 'server_busy' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)

    readers[0]?.close()
    const again = await until('served', async () => {
      const reader = await server.open(path)
      return reader.status === 200 && reader
    })
    await firstWords(again)
    again.close()
  })

  test('refuse a post that asks for one before anything is stored', async () => {
    const { id, path } = await pathOfSilence({ MAX_STREAMS: '1' })
    const { close } = await server.open(path)
    const messages = `/v1/interactions/${id}/messages`
    expect(await server.post(messages, { content: 'Hello', stream: true })).toMatchObject({
      status: 503,
      body: { code: 'server_busy' },
    })
    expect((await server.get(messages)).body.data).toHaveLength(2)
    close()
  })
})

describe('a server that stops', () => {
  test('closes streams with a hint to reconnect, and the reader goes on where it was', async () => {
    const { path } = await pathOfSilence({})
    const reader = await server.open(path)
    const seen = await firstWords(reader)
    await server.restart()
    expect(await Array.fromAsync(reader.events)).toEqual([
      { id: undefined, type: 'stream.closing', data: { reconnect_ms: 500 } },
    ])

    const rest = await server.events(path, { headers: { 'last-event-id': String(seen.at(-1)?.id) } })
    expect(rest[0]).toMatchObject({ id: 3, type: 'reply.restarted', data: { attempt: 2 } })
    expect(rest.at(-1)).toMatchObject({ type: 'reply.completed' })
    expect(await server.events(path)).toEqual([...seen, ...rest])
  })

  test('tells how soon to come back in the words of the standard', async () => {
    const { path } = await pathOfSilence({})
    const response = await fetch(server.url + path)
    const text = response.text()
    await upstream.asked('silent')
    await server.restart()
    expect(await text).toMatch(/(^|\n\n)retry: 500\nevent: stream.closing\ndata: \{"reconnect_ms":500\}\n\n$/)
  })
})
