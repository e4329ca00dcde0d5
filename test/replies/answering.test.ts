import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, textOf } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { hangs, holdsBack, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/usual' })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const post = async (id: string, body: object) =>
  (await server.post(`/v1/interactions/${id}/messages`, body)).body
const read = async (id: string) => (await server.get(`/v1/messages/${id}`)).body

describe('posting a message', () => {
  test('is answered at once; the reply follows in the background', async () => {
    const { behaviour, goOn } = holdsBack([], ['Hi', '!'])
    upstream.behaves('slow', behaviour)
    const posted = await post(await server.begin({ model: 'openai/slow' }), { content: 'Hello' })
    expect(posted.message).toMatchObject({ role: 'Human', status: 'completed', text: 'Hello', position: 1 })
    expect(posted.reply).toMatchObject({ role: 'AI', status: 'queued', text: '', position: 2, attempt: 0 })

    goOn()
    await server.events(`/v1/messages/${posted.reply.id}/events`)
    expect(await read(posted.reply.id)).toMatchObject({
      status: 'completed',
      text: 'Hi!',
      model: 'openai/slow',
      attempt: 1,
      finish_reason: 'stop',
      error: null,
    })
  })

  test('waits for the answer where that is asked for', async () => {
    const { reply } = await post(await server.begin(), { content: 'Hello', wait_ms: 10_000 })
    expect(reply).toMatchObject({ status: 'completed', text: 'You said: Hello' })
  })

  test('waits no longer than asked for', async () => {
    upstream.behaves('silent', hangs())
    const id = await server.begin({ model: 'openai/silent' })
    const { reply } = await post(id, { content: 'Hello', wait_ms: 50 })
    expect(reply).toMatchObject({ status: expect.stringMatching(/queued|in_progress/) as string, text: '' })
    await server.request('DELETE', `/v1/interactions/${id}`)
  })

  test('can be answered with the stream of the reply', async () => {
    const id = await server.begin()
    const { status, headers, events } = await server.open(`/v1/interactions/${id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ content: 'Hello', stream: true }),
    })
    const [created, ...rest] = await Array.fromAsync(events)
    expect(status).toBe(201)
    expect(headers.get('content-type')).toMatch('text/event-stream')
    expect(created).toMatchObject({ id: undefined, type: 'message.created' })
    const posted: Json = created?.data
    expect(await read(posted.message.id)).toEqual(posted.message)
    expect(textOf(rest)).toBe('You said: Hello')
    expect(rest).toEqual(await server.events(`/v1/messages/${posted.reply.id}/events`))
  })

  test('can name another model than the interaction', async () => {
    const id = await server.begin()
    const { reply } = await server.say(id, 'Hello', { model: 'openai/other' })
    expect(reply).toMatchObject({ model: 'openai/other', status: 'completed' })
    expect(upstream.requests.at(-1)?.model).toBe('other')
    expect((await server.say(id, 'Hello')).reply.model).toBe('openai/usual')
  })

  test('of what nobody said to a model starts no reply', async () => {
    const id = await server.begin()
    expect(await post(id, { content: 'Be kind', role: 'System' })).toMatchObject({ reply: null })
    expect(await post(id, { content: 'I said that', role: 'AI' })).toMatchObject({ reply: null })
  })
})

describe('the reply', () => {
  test('says what it cost', async () => {
    const usage = {
      prompt_tokens: 12,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 8 },
      completion_tokens_details: { reasoning_tokens: 2 },
    }
    upstream.behaves('counts', says(['One'], { usage }))
    const { reply } = await server.say(await server.begin({ model: 'openai/counts' }), 'Count')
    const told = { input_tokens: 12, cached_input_tokens: 8, output_tokens: 5, reasoning_tokens: 2 }
    expect(reply.usage).toEqual(told)
    const events = await server.events(`/v1/messages/${reply.id}/events`)
    expect(events.at(-1)).toMatchObject({ type: 'reply.completed', data: { usage: told } })
  })

  test('claims no cost that the provider did not tell', async () => {
    upstream.behaves('tells-nothing', says(['One']))
    const { reply } = await server.say(await server.begin({ model: 'openai/tells-nothing' }), 'Count')
    expect(reply.usage).toMatchObject({ input_tokens: null, output_tokens: null })
  })

  test.each([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filtered'],
  ])('that was cut off (%s) is incomplete, and says why', async (reason, code) => {
    upstream.behaves(reason, says(['Half'], { reason }))
    const { reply } = await server.say(await server.begin({ model: `openai/${reason}` }), 'Tell me')
    expect(reply).toMatchObject({ status: 'incomplete', text: 'Half', error: { code } })
  })

  test('keeps thoughts and words apart', async () => {
    const chunks = [{ reasoning_content: 'Let me see.' }, { content: 'Four.' }]
    upstream.behaves('thinks', says([], { before: chunks }))
    const { reply } = await server.say(await server.begin({ model: 'openai/thinks' }), 'Two and two?')
    expect(reply.text).toBe('Four.')
    expect(reply.content).toEqual([
      { type: 'reasoning', text: 'Let me see.' },
      { type: 'text', text: 'Four.' },
    ])
  })
})
