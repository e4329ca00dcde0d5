import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody } from '../support/patterns.ts'
import { rawRequest, sendRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer()
})
afterAll(() => parley.stop())

const send = (bytes: string | Buffer) => sendRaw(parley.url, bytes)
const json = { 'content-type': 'application/json' }

describe('what is not HTTP', () => {
  test.each([
    ['noise', 'hello\r\n\r\n'],
    ['an unknown method', rawRequest('BLAH', '/v1/models')],
    ['a space in the path', rawRequest('GET', '/v1/mod els')],
    [
      'two lengths',
      rawRequest('POST', '/v1/interactions', {
        body: '{}',
        headers: { ...json, 'transfer-encoding': 'chunked' },
      }),
    ],
    [
      'a negative length',
      rawRequest('POST', '/v1/interactions', { headers: { ...json, 'content-length': '-2' } }),
    ],
    ['a line break within a header', 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-A: a\nb\r\n\r\n'],
  ])('is refused with a problem: %s', async (_what, bytes) => {
    const { status, headers, body } = await send(bytes)
    expect(status).toBe(400)
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(body).toMatchObject({
      status: 400,
      code: 'malformed_request',
      request_id: headers.get('x-request-id'),
    })
  })

  test('is refused where the headers are too long', async () => {
    const { status, body } = await send(
      rawRequest('GET', '/v1/models', { headers: { 'x-long': 'x'.repeat(17_000) } }),
    )
    expect(status).toBe(431)
    expect(body).toMatchObject({ status: 431, code: 'headers_too_large' })
  })

  test('does not hold up those who speak it', async () => {
    await Promise.all(Array.from({ length: 50 }, () => send('\u0000\u0001\u0002\r\n\r\n')))
    expect((await parley.get('/healthz')).status).toBe(200)
  })
})

describe('a path', () => {
  test.each([
    ['percent sign', '/v1/messages/%zz'],
    ['percent sign', '/v1/messages/%E0%A4%A'],
    ['too long', `/v1/messages/${'a'.repeat(201)}`],
  ])('that cannot be is told so, and keeps its headers: %s', async (wrong, path) => {
    const { status, headers, body } = await send(rawRequest('GET', path))
    expect(status).toBe(422)
    expect(body).toMatchObject({
      code: 'invalid_request',
      errors: [{ in: 'path', field: '', message: expect.stringContaining(wrong) }],
      request_id: headers.get('x-request-id'),
    })
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  test.each(['%00', '%2e%2e', '%2F', 'me', `${nobody}x`, '{id}', `${nobody}%20`])(
    'with a wrong id names it: %s',
    async (id) => {
      for (const path of [`/v1/interactions/${id}`, `/v1/messages/${id}/events`]) {
        const { status, body } = await send(rawRequest('GET', path))
        expect(status, path).toBe(422)
        expect(body.errors).toEqual([{ in: 'path', field: 'id', message: expect.any(String) }])
      }
    },
  )

  test('of any length is answered', async () => {
    expect((await send(rawRequest('GET', `/v1/${'a/'.repeat(6_000)}`))).status).toBe(404)
    const query = await send(rawRequest('GET', `/v1/interactions?limit=${'1'.repeat(12_000)}`))
    expect(query.body.errors).toEqual([{ in: 'query', field: 'limit', message: expect.any(String) }])
  })
})

describe('a body', () => {
  test.each([
    ['no JSON', '{"title": '],
    ['more than JSON', '{} {}'],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['in UTF-16', Buffer.from('{}', 'utf16le')],
    ['sixty-five arrays deep', `{"title": ${'['.repeat(64)}${']'.repeat(64)}}`],
    ['a hundred thousand arrays deep', '['.repeat(100_000)],
  ])('that is %s cannot be read', async (_what, body) => {
    const answer = await send(rawRequest('POST', '/v1/interactions', { headers: json, body }))
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({
      code: 'malformed_body',
      errors: [{ in: 'body', field: '', message: expect.any(String) }],
    })
  })

  test.each(['[]', '1', '"text"', 'true'])('that is no object is told so: %s', async (body) => {
    const answer = await send(rawRequest('POST', '/v1/interactions', { headers: json, body }))
    expect(answer.status).toBe(422)
    expect(answer.body.errors).toEqual([
      { in: 'body', field: '', message: expect.stringContaining('expected object') },
    ])
  })

  test.each(['__proto__', 'constructor', 'toString'])('cannot smuggle in a %s', async (key) => {
    const body = `{"${key}": {"prototype": {"isAdmin": true}, "role": "Human"}}`
    const answer = await send(rawRequest('POST', '/v1/interactions', { headers: json, body }))
    expect(answer.status).toBe(422)
    expect(answer.body.errors).toEqual([{ in: 'body', field: key, message: 'is not known' }])
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined()
  })

  test('with a byte order mark is read', async () => {
    const answer = await send(
      rawRequest('POST', '/v1/interactions', { headers: json, body: '\ufeff{"title":"a"}' }),
    )
    expect(answer.body).toMatchObject({ object: 'interaction', title: 'a' })
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'application/vnd.api+json',
    '/;=',
  ])('that is not said to be JSON is refused: %s', async (type) => {
    const headers = { 'content-type': type }
    const answer = await send(rawRequest('POST', '/v1/interactions', { headers, body: '{}' }))
    expect(answer.status).toBe(415)
    expect(answer.body.errors).toEqual([{ in: 'header', field: 'content-type', message: expect.any(String) }])
  })

  test('without a content type is refused, too', async () => {
    const answer = await send(rawRequest('POST', '/v1/interactions', { body: '{}' }))
    expect(answer.status).toBe(415)
  })
})
