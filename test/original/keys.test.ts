import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer()
})
afterAll(() => parley.stop())

const post = (path: string, body: Json, headers: Record<string, string>) =>
  parley.request('POST', path, body, headers)
const create = async (): Promise<string> => (await parley.post('/interactions/', {})).body.id
const said = { role: 'Human', content: 'Hello' }

describe('a key of today, sent to the API of 2023', () => {
  test('has an interaction made once', async () => {
    const key = { 'idempotency-key': 'an interaction' }
    const first = await post('/interactions/', { prompt: 'Be kind.' }, key)
    const again = await post('/interactions/', { prompt: 'Be kind.' }, key)
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(again.body).toStrictEqual(first.body)
  })

  test('has a message posted once, and answered once', async () => {
    const path = `/interactions/${await create()}/messages/`
    const key = { 'idempotency-key': 'a message' }
    const first = await post(path, said, key)
    const again = await post(path, said, key)
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(again.body).toStrictEqual(first.body)
    const { body } = await parley.get(path.replace('/interactions/', '/v1/interactions/').slice(0, -1))
    expect(body.data.map(({ role }: Json) => role)).toEqual(['Human', 'AI'])
  })

  test('is refused in the shape of that time where it stands for something else', async () => {
    const path = `/interactions/${await create()}/messages/`
    const key = { 'idempotency-key': 'reused' }
    await post(path, said, key)
    const { status, body } = await post(path, { ...said, content: 'Bye' }, key)
    expect([status, body]).toEqual([
      422,
      { detail: [{ loc: ['header', 'idempotency-key'], msg: expect.any(String), type: 'value_error' }] },
    ])
  })

  test('is refused in that shape where it is none, with all else that is wrong', async () => {
    const none = { 'idempotency-key': '"' }
    const notAKey = { loc: ['header', 'idempotency-key'], msg: expect.any(String), type: 'value_error' }
    const created = await post('/interactions/', {}, none)
    expect([created.status, created.body]).toEqual([422, { detail: [notAKey] }])
    const path = `/interactions/${await create()}/messages/`
    const posted = await post(path, { role: 'Human' }, none)
    const missing = { loc: ['body', 'content'], msg: 'field required', type: 'value_error.missing' }
    expect([posted.status, posted.body]).toEqual([422, { detail: [notAKey, missing] }])
  })

  test('is nothing to do with how often a client of another API has tried', async () => {
    const counted = { 'x-stainless-retry-count': 'many' }
    expect((await post('/interactions/', {}, counted)).status).toBe(200)
  })
})
