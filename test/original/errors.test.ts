import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
let id: string
beforeAll(async () => {
  parley = await startServer()
  id = await parley.begin()
})
afterAll(() => parley.stop())

const post = (body: unknown, to = id) => parley.post(`/interactions/${to}/messages/`, body)

const missing = (...loc: string[]) => ({ loc, msg: 'field required', type: 'value_error.missing' })
const notAUuid = { loc: ['path', 'id'], msg: 'value is not a valid uuid', type: 'type_error.uuid' }
const notARole = {
  loc: ['body', 'role'],
  msg: "value is not a valid enumeration member; permitted: 'System', 'Human', 'Ai'",
  type: 'type_error.enum',
  ctx: { enum_values: ['System', 'Human', 'Ai'] },
}
const none = (field: string) => ({
  loc: ['body', field],
  msg: 'none is not an allowed value',
  type: 'type_error.none.not_allowed',
})
const notText = (field: string) => ({
  loc: ['body', field],
  msg: 'str type expected',
  type: 'type_error.str',
})
const notADict = { loc: ['body'], msg: 'value is not a valid dict', type: 'type_error.dict' }

describe('a message of 2023 is refused', () => {
  test.each([
    [{}, [missing('body', 'role'), missing('body', 'content')]],
    [{ role: 'Human' }, [missing('body', 'content')]],
    [{ content: 'Hello' }, [missing('body', 'role')]],
    [{ role: 'AI', content: 'Hello' }, [notARole]],
    [{ role: 7, content: 'Hello' }, [notARole]],
    [{ role: null, content: null }, [none('role'), none('content')]],
    [{ role: 'Human', content: ['a'] }, [notText('content')]],
    [undefined, [missing('body')]],
    ['null', [missing('body')]],
    ['"text"', [notADict]],
    [
      { role: 'Human', content: '' },
      [
        {
          loc: ['body', 'content'],
          msg: 'ensure this value has at least 1 characters',
          type: 'value_error.any_str.min_length',
          ctx: { limit_value: 1 },
        },
      ],
    ],
    [
      '{"role": "Human",\n "content": }',
      [
        {
          loc: ['body', 30],
          msg: 'Expecting value: line 2 column 13 (char 30)',
          type: 'value_error.jsondecode',
          ctx: { msg: 'Expecting value', doc: '', pos: 30, lineno: 2, colno: 13 },
        },
      ],
    ],
  ])('as it was then, and nothing is stored: %j', async (body, detail) => {
    const answer = await post(body)
    expect(answer.status).toBe(422)
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(answer.body).toStrictEqual({ detail })
    expect((await parley.get(`/interactions/${id}/messages/`)).body).toEqual([])
  })

  test('for all that is wrong with its path and its body at once', async () => {
    const { status, body } = await post({ role: 'Human' }, 'me')
    expect(status).toBe(422)
    expect(body).toStrictEqual({ detail: [notAUuid, missing('body', 'content')] })
  })

  test.each([`half \ud83e`, 'zero \u0000'])('for what no database keeps: %j', async (content) => {
    const { status, body } = await post({ role: 'Human', content })
    expect(status).toBe(422)
    expect(body.detail).toEqual([{ loc: ['body', 'content'], msg: expect.any(String), type: 'value_error' }])
  })
})

describe('an interaction of 2023 is refused', () => {
  test.each([
    [{ role: 'Robot' }, [notARole]],
    [{ role: null }, [none('role')]],
    [{ prompt: {} }, [notText('prompt')]],
    [{ model_name: null }, [none('model_name')]],
    [undefined, [missing('body')]],
    ['[1]', [notADict]],
  ])('as it was then: %j', async (body, detail) => {
    const answer = await parley.post('/interactions/', body)
    expect(answer.status).toBe(422)
    expect(answer.body).toStrictEqual({ detail })
  })
})

describe('an id of 2023', () => {
  test.each(['me', '1', `${nobody}0`, '%00', 'a'.repeat(200)])('has to be a UUID: %s', async (wrong) => {
    const { status, body } = await parley.get(`/interactions/${wrong}/messages/`)
    expect(status).toBe(422)
    expect(body).toStrictEqual({ detail: [notAUuid] })
  })

  test.each(['GET', 'POST'])('that nobody has is not found, by %s', async (method) => {
    const body = method === 'POST' ? { role: 'Human', content: 'Hello' } : undefined
    for (const unknown of [
      nobody,
      'ffffffff-ffff-ffff-ffff-fffffffffffe',
      '12345678123412341234123456789012',
    ]) {
      const answer = await parley.request(method, `/interactions/${unknown}/messages/`, body)
      expect(answer.status).toBe(404)
      expect(answer.body).toStrictEqual({ detail: 'Interaction not found' })
    }
  })

  test('can be spelled in all the ways of Python', async () => {
    const bare = id.replaceAll('-', '')
    for (const spelling of [id.toUpperCase(), bare, `{${id}}`, `urn:uuid:${id}`]) {
      const { status, body } = await parley.get(`/interactions/${encodeURIComponent(spelling)}/messages/`)
      expect([status, body], spelling).toEqual([200, []])
    }
  })
})

test('a body of 2023 that is too long, of another kind or not UTF-8 is refused in one sentence', async () => {
  const long = await post({ role: 'Human', content: 'x'.repeat(1_100_000) })
  expect([long.status, long.body]).toEqual([413, { detail: expect.any(String) }])
  const form = await parley.request('POST', '/interactions/', 'role=Human', { 'content-type': 'text/plain' })
  expect([form.status, form.body]).toEqual([415, { detail: expect.any(String) }])
})
