import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { textOf } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { fallsSilentAfter, startUpstream, type Upstream } from '../support/upstream.ts'

let parley: TestServer
let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/talker' })
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

const messagesOf = (id: string) => `/v1/interactions/${id}/messages`
const text = (given: string) => ({ type: 'text', text: given })

describe('posting', () => {
  test('parts keeps them apart, and joins them for the reader', async () => {
    const id = await parley.begin()
    const { message, reply } = await parley.say(id, [text('Hello, '), text('world')])
    expect(message.content).toEqual([text('Hello, '), text('world')])
    expect(message.text).toBe('Hello, world')
    expect(reply.text).toBe('You said: Hello, world')
  })

  test.each(['System', 'AI'])('as %s is stored, and nobody answers', async (role) => {
    const id = await parley.begin()
    const { status, body } = await parley.post(messagesOf(id), { content: 'Be kind.', role })
    expect(status).toBe(201)
    expect(body).toMatchObject({ message: { role, position: 1, status: 'completed' }, reply: null })
    expect((await parley.get(messagesOf(id))).body.data).toStrictEqual([body.message])
  })

  test('with a model of its own asks that one, this time only', async () => {
    const id = await parley.begin()
    const { reply } = await parley.say(id, 'Hello', { model: 'openai/other' })
    expect(reply.model).toBe('openai/other')
    expect((await parley.say(id, 'Again')).reply.model).toBe('openai/talker')
    expect(upstream.requests.slice(-2).map(({ model }) => model)).toEqual(['other', 'talker'])
  })

  test('keeps metadata', async () => {
    const { message } = await parley.say(await parley.begin(), 'Hello', { metadata: { from: 'phone' } })
    expect(message.metadata).toEqual({ from: 'phone' })
  })

  test('with wait_ms answers when the reply has ended', async () => {
    const { body } = await parley.post(messagesOf(await parley.begin()), { content: 'Hi', wait_ms: 60_000 })
    expect(body.reply).toMatchObject({ status: 'completed', text: 'You said: Hi' })
  })

  test('with wait_ms waits no longer than that', async () => {
    upstream.behaves('slow', fallsSilentAfter(['One, ']))
    const id = await parley.begin({ model: 'openai/slow' })
    const { status, body } = await parley.post(messagesOf(id), { content: 'Count', wait_ms: 60 })
    expect(status).toBe(201)
    expect(body.reply.status).toMatch(/^(queued|in_progress)$/)
    await parley.request('DELETE', `/v1/interactions/${id}`)
  })

  test('with stream answers with what was stored, then with the events of the reply', async () => {
    const id = await parley.begin()
    const body = JSON.stringify({ content: 'Hi', stream: true })
    const reader = await parley.open(messagesOf(id), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(reader.status).toBe(201)
    expect(reader.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const [first, ...events] = await Array.fromAsync(reader.events)
    expect(first).toMatchObject({
      id: undefined,
      type: 'message.created',
      data: { message: { role: 'Human', position: 1 }, reply: { role: 'AI', position: 2 } },
    })
    expect(textOf(events)).toBe('You said: Hi')
    const { body: page } = await parley.get(messagesOf(id))
    expect(await parley.events(`/v1/messages/${page.data[1].id}/events`)).toEqual(events)
  })

  test.each([
    ['content', {}],
    ['content', { content: null }],
    ['content', { content: '' }],
    ['content', { content: [] }],
    ['content', { content: 'zero \u0000' }],
    ['content', { content: 'half \ud83e' }],
    ['content', { content: Array.from({ length: 65 }, () => text('x')) }],
    ['content', { content: 42 }],
    ['content.0.text', { content: [text('')] }],
    ['content.1.type', { content: [text('a'), { type: 'video', url: 'https://example.com/a' }] }],
    ['content.0.author', { content: [{ ...text('a'), author: 'me' }] }],
    ['role', { content: 'a', role: 'Ai' }],
    ['model', { content: 'a', model: 'x'.repeat(257) }],
    ['stream', { content: 'a', stream: 'yes' }],
    ['stream', { content: 'a', role: 'System', stream: true }],
    ['wait_ms', { content: 'a', wait_ms: -1 }],
    ['wait_ms', { content: 'a', wait_ms: 120_001 }],
    ['position', { content: 'a', position: 7 }],
    ['id', { content: 'a', id: '01890000-0000-7000-8000-000000000000' }],
  ])('is refused for its %s, and stores nothing: %j', async (field, body) => {
    const id = await parley.begin()
    const answer = await parley.post(messagesOf(id), body)
    expect(answer.status).toBe(422)
    expect(answer.body.errors).toContainEqual({ in: 'body', field, message: expect.any(String) })
    expect((await parley.get(messagesOf(id))).body.data).toEqual([])
    expect((await parley.say(id, 'Hello')).message.position).toBe(1)
  })
})
