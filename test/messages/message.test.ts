import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody, time, uuid } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { says, startUpstream, type Upstream } from '../support/upstream.ts'

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

const saidByClient = {
  object: 'message',
  id: uuid,
  status: 'completed',
  model: null,
  tried: [],
  usage: null,
  finish_reason: null,
  error: null,
  attempt: 0,
  branch: 0,
  parent_id: null,
  metadata: {},
  created_at: time,
}

describe('a message', () => {
  test('of a client is complete at once; its reply is queued behind it', async () => {
    const id = await parley.begin()
    const { status, headers, body } = await parley.post(`/v1/interactions/${id}/messages`, { content: 'Hi' })
    const { message, reply } = body
    expect(status).toBe(201)
    expect(Object.keys(body).toSorted()).toEqual(['message', 'reply'])
    expect(message).toStrictEqual({
      ...saidByClient,
      interaction_id: id,
      position: 1,
      role: 'Human',
      content: [{ type: 'text', text: 'Hi' }],
      text: 'Hi',
      updated_at: message.created_at,
      completed_at: message.created_at,
    })
    expect(reply).toStrictEqual({
      ...saidByClient,
      interaction_id: id,
      position: 2,
      parent_id: message.id,
      role: 'AI',
      status: 'queued',
      content: [],
      text: '',
      model: 'openai/talker',
      updated_at: reply.created_at,
      completed_at: null,
    })
    expect(headers.get('location')).toBe(`/v1/messages/${message.id}`)
  })

  test('of a model tells which one, how it ended and what it cost', async () => {
    const counted = { prompt_tokens: 11, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 5 } }
    upstream.behaves('counter', says(['Hel', 'lo'], { usage: counted }))
    const id = await parley.begin({ model: 'openai/counter' })
    const { message, reply } = await parley.say(id, 'Hi')
    expect(reply).toStrictEqual({
      ...saidByClient,
      interaction_id: id,
      position: 2,
      parent_id: message.id,
      role: 'AI',
      content: [{ type: 'text', text: 'Hello' }],
      text: 'Hello',
      model: 'openai/counter',
      tried: [],
      usage: { input_tokens: 11, cached_input_tokens: 5, output_tokens: 2, reasoning_tokens: null },
      finish_reason: 'stop',
      attempt: 1,
      updated_at: time,
      completed_at: time,
    })
    expect((await parley.get(`/v1/messages/${reply.id}`)).body).toStrictEqual(reply)
  })

  test('shows its interaction when asked, and names it always', async () => {
    const id = await parley.begin({ title: 'Tea' })
    const { message } = await parley.say(id, 'Hi')
    const { body } = await parley.get(`/v1/messages/${message.id}?include=interaction`)
    const { body: interaction } = await parley.get(`/v1/interactions/${id}`)
    expect(body).toStrictEqual({ ...message, interaction })
  })

  test.each([
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['GET', '/events'],
  ])('that is not there is not found by %s …%s', async (method, more) => {
    const body = method === 'PATCH' ? {} : undefined
    const answer = await parley.request(method, `/v1/messages/${nobody}${more}`, body)
    expect(answer.status).toBe(404)
    expect(answer.body).toMatchObject({ code: 'not_found', detail: 'Message not found' })
  })
})
