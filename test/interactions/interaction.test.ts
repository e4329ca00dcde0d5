import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody, time, uuid } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer()
})
afterAll(() => parley.stop())

const unset = {
  title: null,
  prompt: null,
  temperature: null,
  top_p: null,
  max_output_tokens: null,
  stop: null,
  seed: null,
  presence_penalty: null,
  frequency_penalty: null,
  on_busy: 'queue',
  on_crash: 'retry',
  max_attempts: null,
  branch: 0,
  metadata: {},
}

const settings = {
  title: 'Tea',
  model: 'builtin/eliza',
  role: 'Human',
  prompt: 'Be brief. 🫖',
  temperature: 0.5,
  top_p: 0.9,
  max_output_tokens: 100,
  stop: ['END'],
  seed: -7,
  presence_penalty: -2,
  frequency_penalty: 2,
  metadata: { team: 'kitchen' },
}

describe('an interaction', () => {
  test('begins without a body, as System, without a prompt and with the default model', async () => {
    const { status, headers, body } = await parley.post('/v1/interactions')
    expect(status).toBe(201)
    expect(body).toStrictEqual({
      object: 'interaction',
      id: uuid,
      created_at: time,
      updated_at: body.created_at,
      model: 'builtin/eliza',
      models: null,
      role: 'System',
      ...unset,
    })
    expect(headers.get('location')).toBe(`/v1/interactions/${body.id}`)
  })

  test('keeps every setting that it is given', async () => {
    const { body } = await parley.post('/v1/interactions', settings)
    expect(body).toMatchObject(settings)
    const read = await parley.get(`/v1/interactions/${body.id}`)
    expect(read.status).toBe(200)
    expect(read.body).toStrictEqual(body)
  })

  test('changes what a PATCH names and keeps the rest', async () => {
    const id = await parley.begin(settings)
    const { status, body } = await parley.request('PATCH', `/v1/interactions/${id}`, {
      title: 'Coffee',
      temperature: null,
      metadata: { floor: '2' },
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({ ...settings, title: 'Coffee', temperature: null, metadata: { floor: '2' } })
    expect((await parley.get(`/v1/interactions/${id}`)).body).toStrictEqual(body)
  })

  test('tells when it was changed, and when something was said', async () => {
    let nowMs = 1_700_000_000_000
    const other = await startServer({}, undefined, () => (nowMs += 1_000))
    const id = await other.begin()
    const { body: begun } = await other.get(`/v1/interactions/${id}`)
    const { body: changed } = await other.request('PATCH', `/v1/interactions/${id}`, { title: 'Now' })
    await other.post(`/v1/interactions/${id}/messages`, { content: 'Hello', role: 'System' })
    const { body: spoken } = await other.get(`/v1/interactions/${id}`)
    await other.stop()
    expect(changed.created_at).toBe(begun.created_at)
    expect(changed.updated_at > begun.updated_at).toBe(true)
    expect(spoken.updated_at > changed.updated_at).toBe(true)
  })

  test('is found by its id in capitals too', async () => {
    const id = await parley.begin()
    expect((await parley.get(`/v1/interactions/${id.toUpperCase()}`)).body.id).toBe(id)
  })

  test('is gone once it was deleted', async () => {
    const id = await parley.begin()
    const deleted = await parley.request('DELETE', `/v1/interactions/${id}`)
    expect(deleted.status).toBe(204)
    expect(deleted.body).toBe('')
    expect((await parley.get(`/v1/interactions/${id}`)).status).toBe(404)
    expect((await parley.request('DELETE', `/v1/interactions/${id}`)).status).toBe(404)
  })
})

describe('an interaction that is not there', () => {
  test.each([
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['GET', '/messages'],
    ['POST', '/messages'],
  ])('is not found by %s …%s', async (method, more) => {
    const body = method === 'POST' ? { content: 'Hello' } : method === 'PATCH' ? {} : undefined
    const answer = await parley.request(method, `/v1/interactions/${nobody}${more}`, body)
    expect(answer.status).toBe(404)
    expect(answer.body).toMatchObject({ code: 'not_found', detail: 'Interaction not found' })
  })
})

describe('an interaction is refused', () => {
  test.each([
    ['role', { role: 'Ai' }],
    ['title', { title: 'x'.repeat(513) }],
    ['prompt', { prompt: 'zero \u0000' }],
    ['prompt', { prompt: 'half \ud83e' }],
    ['temperature', { temperature: 2.1 }],
    ['top_p', { top_p: '1' }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['stop', { stop: ['a', 'b', 'c', 'd', 'e'] }],
    ['stop.0', { stop: [''] }],
    ['seed', { seed: 1.5 }],
    ['presence_penalty', { presence_penalty: -3 }],
    ['model', { model: '' }],
    ['model', { model: 'nobody/nothing' }],
    ['metadata', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`k${at}`, ''])) }],
    ['metadata.key', { metadata: { key: 1 } }],
    ['id', { id: nobody }],
    ['created_at', { created_at: '2020-01-01T00:00:00Z' }],
  ])('for its %s: %j', async (field, body) => {
    const answer = await parley.post('/v1/interactions', body)
    expect(answer.status).toBe(422)
    expect(answer.body.errors).toContainEqual({ in: 'body', field, message: expect.any(String) })
    const id = await parley.begin()
    const changed = await parley.request('PATCH', `/v1/interactions/${id}`, body)
    expect(changed.status).toBe(422)
    expect(changed.body.errors).toContainEqual({ in: 'body', field, message: expect.any(String) })
  })
})
