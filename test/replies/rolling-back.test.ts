import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { refuses, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/echo' })
})
beforeEach(() => upstream.behaves('waits', () => new Promise(() => {})))
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const pathOf = (id: string) => `/v1/interactions/${id}/messages`
const list = async (id: string): Promise<Json[]> => (await server.get(pathOf(id))).body.data
const textsOf = (messages: Json[]) => messages.map(({ text }: Json) => text)

describe('what is rolled back', () => {
  test('is all that was said for the answer, and nothing else', async () => {
    const id = await server.begin()
    await server.say(id, 'One')
    const conversation = `conv_${id.replaceAll('-', '')}`
    const input = ['A', 'B', 'C'].map((content) => ({
      role: content === 'B' ? 'developer' : 'user',
      content,
    }))
    const body = { conversation, input, model: 'openai/waits', background: true }
    expect((await server.post('/v1/responses', body)).status).toBe(200)
    await server.say(id, 'Two', { on_busy: 'rollback' })
    expect(textsOf(await list(id))).toEqual(['One', 'You said: One', 'Two', 'You said: Two'])
  })

  test('is no message that another branch stands on', async () => {
    upstream.behaves('fails', refuses(400))
    const id = await server.begin({ on_busy: 'rollback' })
    const { reply } = await server.say(id, 'One', { model: 'openai/fails' })
    const other = (await server.post(`/v1/messages/${reply.id}/regenerate`)).body.reply
    await server.events(`/v1/messages/${other.id}/events`)
    upstream.behaves('fails', () => new Promise(() => {}))
    const requeued = await server.post(`/v1/messages/${reply.id}/requeue`)
    expect(requeued.status).toBe(200)
    await server.say(id, 'Two')
    expect(textsOf(await list(id))).toEqual(['One', 'You said: One', 'Two', 'You said: Two'])
    expect((await server.get(`/v1/messages/${reply.id}`)).status).toBe(404)
  })

  test('is cancelled instead where the next message follows it', async () => {
    const id = await server.begin({ on_busy: 'rollback' })
    const { reply } = (await server.post(pathOf(id), { content: 'One', model: 'openai/waits' })).body
    await server.say(id, 'Two', { parent_id: reply.id })
    expect((await list(id)).map(({ status, text }: Json) => `${status} ${text}`)).toEqual([
      'completed One',
      'cancelled ',
      'completed Two',
      'completed You said: Two',
    ])
  })

  test('is the question that is said otherwise, behind an answer that is still being made', async () => {
    const id = await server.begin()
    await server.post(pathOf(id), { content: 'One', model: 'openai/waits' })
    const { message } = (await server.post(pathOf(id), { content: 'Two' })).body
    const edited = await server.post(`/v1/messages/${message.id}/edit`, { content: '2', on_busy: 'rollback' })
    expect(edited.status).toBe(201)
    expect(textsOf(await list(id)).slice(0, 3)).toEqual(['One', '', '2'])
    expect((await server.get(`/v1/messages/${message.id}`)).status).toBe(404)
  })
})
