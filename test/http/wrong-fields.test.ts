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
