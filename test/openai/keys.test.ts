import type { OpenAI } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { hangs, startUpstream, type Upstream } from '../support/upstream.ts'

let parley: TestServer
let upstream: Upstream
let openai: OpenAI
beforeAll(async () => {
  upstream = await startUpstream()
  const providers = JSON.stringify({ lab: { base_url: upstream.url } })
  parley = await startServer({ PROVIDERS: providers, DEFAULT_MODEL: 'lab/echo' })
  openai = openAiClient(parley)
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

/** What can be changed: where it is, two changes of it, and what is shown of each. */
const changeable: Array<[name: string, find: () => Promise<string>, one: object, two: object]> = [
  [
    'a conversation',
    async () => `/v1/conversations/${(await openai.conversations.create()).id}`,
    { metadata: { topic: 'one' } },
    { metadata: { topic: 'two' } },
  ],
  [
    'an item',
    async () => {
      const items = [{ type: 'function_call' as const, call_id: 'call_1', name: 'look', arguments: '{}' }]
      const { id } = await openai.conversations.create({ items })
      const { data } = await openai.conversations.items.list(id)
      return `/v1/conversations/${id}/items/${data[0]?.id}`
    },
    { arguments: '{"at":1}' },
    { arguments: '{"at":2}' },
  ],
  [
    'a chat completion',
    async () => {
      const messages = [{ role: 'user' as const, content: 'Hi' }]
      const { id } = await openai.chat.completions.create({ model: 'lab/echo', messages, store: true })
      return `/v1/chat/completions/${id}`
    },
    { metadata: { topic: 'one' } },
    { metadata: { topic: 'two' } },
  ],
]

describe('what is changed under a key', () => {
  test.each(changeable)('is changed once, however often that comes: %s', async (name, find, one, two) => {
    const path = await find()
    const change = () => parley.request('POST', path, one, { 'idempotency-key': `change ${name}` })
    const first = await change()
    expect([first.status, first.body, first.headers.get('idempotent-replayed')]).toEqual([
      200,
      expect.objectContaining(one),
      null,
    ])
    const since = await parley.post(path, two)
    const again = await change()
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(again.body).toEqual(since.body)
    const other = await parley.request('POST', path, two, { 'idempotency-key': `change ${name}` })
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_key_reused'])
  })

  test('may be a response that is cancelled', async () => {
    upstream.behaves('slow', hangs())
    const { id } = await openai.responses.create({ model: 'lab/slow', input: 'Hi', background: true })
    const cancel = (): Promise<{ body: Json; headers: Headers }> =>
      parley.request('POST', `/v1/responses/${id}/cancel`, undefined, { 'idempotency-key': 'cancel' })
    const first = await cancel()
    expect(first.body.status).toBe('cancelled')
    const again = await cancel()
    expect([again.body, again.headers.get('idempotent-replayed')]).toEqual([first.body, 'true'])
  })

  test('has a key wherever a POST stores or changes something', async () => {
    const { paths } = (await parley.get('/openapi.json')).body
    const takesKey = ({ parameters = [] }: Json) =>
      parameters.some(({ name }: Json) => name === 'idempotency-key')
    const without = Object.entries<Json>(paths).filter(([, { post }]) => post && !takesKey(post))
    expect(without.map(([path]) => path).toSorted()).toEqual([
      '/v1/embeddings',
      '/v1/responses/compact',
      '/v1/responses/input_tokens',
    ])
  })

  test.each(changeable)('has a key that is one: %s', async (_, find, one) => {
    const answer = await parley.request('POST', await find(), one, { 'idempotency-key': '"' })
    expect([answer.status, answer.body.error.param]).toEqual([400, 'idempotency-key'])
  })
})
