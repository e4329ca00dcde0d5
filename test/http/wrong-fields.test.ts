import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

test('a field of the wrong type is not called missing', async () => {
  const { status, body } = await server.post('/v1/interactions', { temperature: 'hot' })
  expect(status).toBe(422)
  expect(body.errors).toEqual([
    { in: 'body', field: 'temperature', message: expect.stringContaining('expected number') },
  ])
})

test('a missing field is called so', async () => {
  const id = await server.begin()
  const { status, body } = await server.post(`/v1/interactions/${id}/messages`, {})
  expect(status).toBe(422)
  expect(body.errors).toEqual([
    { in: 'body', field: 'content', message: expect.stringContaining('required') },
  ])
})

test('an interaction can be begun without a body', async () => {
  const { status, body } = await server.post('/v1/interactions')
  expect(status).toBe(201)
  expect(body).toMatchObject({ object: 'interaction', role: 'System', prompt: null })
})

test('the original API tells a wrong value from a missing one', async () => {
  const wrong = await server.post('/interactions/', { role: 'Robot' })
  expect(wrong.status).toBe(422)
  expect(wrong.body.detail).toEqual([
    {
      loc: ['body', 'role'],
      msg: "value is not a valid enumeration member; permitted: 'System', 'Human', 'Ai'",
      type: 'type_error.enum',
      ctx: { enum_values: ['System', 'Human', 'Ai'] },
    },
  ])
  const missing = await server.post('/interactions/')
  expect(missing.status).toBe(422)
  expect(missing.body.detail).toEqual([{ loc: ['body'], msg: 'field required', type: 'value_error.missing' }])
})

test('a pair of metadata that cannot be kept is refused wherever it is sent, and not left out', async () => {
  const id = await server.begin()
  const { message } = await server.say(id, 'Hello')
  const messages = [{ role: 'user', content: 'Hi' }]
  const completion = { messages, store: true }
  const stored = (await server.post('/v1/chat/completions', completion)).body.id
  const conversation = (await server.post('/v1/conversations')).body.id
  const bodies: Array<[method: string, path: string, body?: object]> = [
    ['POST', '/v1/interactions'],
    ['PATCH', `/v1/interactions/${id}`],
    ['POST', `/v1/interactions/${id}/messages`, { content: 'Hi' }],
    ['PATCH', `/v1/messages/${message.id}`],
    ['POST', `/v1/messages/${message.id}/edit`, { content: 'Hi' }],
    ['POST', '/v1/conversations'],
    ['POST', `/v1/conversations/${conversation}`],
    ['POST', '/v1/chat/completions', completion],
    ['POST', `/v1/chat/completions/${stored}`],
    ['POST', '/v1/responses', { input: 'Hi' }],
  ]
  for (const [method, path, body = {}] of bodies) {
    const sent = JSON.stringify({ ...body, metadata: 'here' }).replace('"here"', '{"__proto__":"x","a":"b"}')
    const answer = await server.request(method, path, sent)
    const told = answer.body.detail ?? answer.body.error?.message
    expect([answer.status, told], path).toEqual([
      expect.toBeOneOf([400, 422]),
      expect.stringContaining('metadata.__proto__'),
    ])
  }
})
