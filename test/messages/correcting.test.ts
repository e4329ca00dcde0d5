import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

const correct = (id: string, body: unknown) => parley.request('PATCH', `/v1/messages/${id}`, body)

describe('a message', () => {
  test('can be corrected in its place', async () => {
    const id = await parley.begin()
    const { message, reply } = await parley.say(id, 'Helo', { metadata: { from: 'phone' } })
    const { status, body } = await correct(message.id, { content: 'Hello' })
    expect(status).toBe(200)
    expect(body).toStrictEqual({
      ...message,
      content: [{ type: 'text', text: 'Hello' }],
      text: 'Hello',
      updated_at: body.updated_at,
    })
    const { body: page } = await parley.get(`/v1/interactions/${id}/messages`)
    expect(page.data).toStrictEqual([body, reply])
  })

  test('gets other metadata without a word of its content changed', async () => {
    const { message } = await parley.say(await parley.begin(), [{ type: 'text', text: 'Hello' }])
    const { body } = await correct(message.id, { metadata: { seen: 'yes' } })
    expect(body).toMatchObject({ content: message.content, metadata: { seen: 'yes' } })
  })

  test('goes to the model as it was corrected', async () => {
    const id = await parley.begin()
    const { message, reply } = await parley.say(id, 'Helo')
    await correct(message.id, { content: 'Hello' })
    await correct(reply.id, { content: 'Hello yourself' })
    await parley.say(id, 'Again')
    expect(upstream.requests.at(-1)?.body.messages).toEqual([
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hello yourself' },
      { role: 'user', content: 'Again' },
    ])
  })

  test('does not go to the model any more once it is deleted', async () => {
    const id = await parley.begin()
    const { message, reply } = await parley.say(id, 'My secret')
    await parley.request('DELETE', `/v1/messages/${message.id}`)
    await parley.request('DELETE', `/v1/messages/${reply.id}`)
    await parley.say(id, 'Hello')
    expect(upstream.requests.at(-1)?.body.messages).toEqual([{ role: 'user', content: 'Hello' }])
  })

  test('cannot be corrected while it is being made', async () => {
    upstream.behaves('slow', fallsSilentAfter(['One, ']))
    const id = await parley.begin({ model: 'openai/slow' })
    const { body: posted } = await parley.post(`/v1/interactions/${id}/messages`, { content: 'Count' })
    const { status, body } = await correct(posted.reply.id, { content: 'Mine' })
    expect(status).toBe(409)
    expect(body).toMatchObject({ code: 'reply_in_progress' })
    await parley.request('DELETE', `/v1/interactions/${id}`)
  })

  test.each([
    ['content', { content: '' }],
    ['content', { content: null }],
    ['content.0.type', { content: [{ type: 'reasoning', text: 'x' }] }],
    ['role', { role: 'AI' }],
    ['position', { position: 1 }],
    ['metadata.a', { metadata: { a: 1 } }],
  ])('is not corrected with a wrong %s: %j', async (field, change) => {
    const { message } = await parley.say(await parley.begin(), 'Hello', { role: 'System' })
    const { status, body } = await correct(message.id, change)
    expect(status).toBe(422)
    expect(body.errors).toContainEqual({ in: 'body', field, message: expect.any(String) })
    expect((await parley.get(`/v1/messages/${message.id}`)).body).toStrictEqual(message)
  })
})
