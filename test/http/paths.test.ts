import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  // With CORS a route answers OPTIONS on every path; what is there does not become more by that.
  parley = await startServer({ CORS_ORIGINS: 'https://chat.example.com' })
})
afterAll(() => parley.stop())

const refused = (code: string) => ({ type: `urn:parley:problem:${code}`, code, detail: expect.any(String) })

describe('a path that nobody knows', () => {
  test.each(['/v1', '/v1/', '/v1/nothing', '/v1//interactions', '/v1/models;x=1'])(
    'is not found under /v1: %s',
    async (path) => {
      const { status, headers, body } = await parley.get(path)
      expect(status).toBe(404)
      expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
      expect(body).toMatchObject({ ...refused('not_found'), status: 404 })
    },
  )

  test.each(['/', '/nothing', '/V1/models', '//v1/models', '/interactions/x/nothing/', '/docs/nothing'])(
    'is not found elsewhere, as the original API said it: %s',
    async (path) => {
      const { status, headers, body } = await parley.get(path)
      expect(status).toBe(404)
      expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
      expect(body).toEqual({ detail: 'Not Found' })
    },
  )

  test.each([
    '/v1/completions',
    '/v1/moderations',
    '/v1/files',
    '/v1/audio/speech',
    '/v1/images/generations',
    '/v1/assistants',
    '/v1/threads',
    '/v1/batches',
    '/v1/fine_tuning/jobs',
    '/v1/vector_stores',
    '/v1/chat/nothing',
  ])("is not found in OpenAI's words, where it has one: %s", async (path) => {
    const { status, body } = await parley.post(path, { model: 'builtin/eliza', prompt: 'Hi' })
    expect(status).toBe(404)
    const error = { message: 'Not Found', type: 'invalid_request_error', param: null, code: 'not_found' }
    expect(body).toEqual({ error })
  })

  test('is not found whatever is sent to it', async () => {
    const sent = await parley.request('POST', '/v1/nothing', 'no JSON', { 'content-type': 'text/plain' })
    expect(sent.status).toBe(404)
  })
})

describe('a method that a path does not have', () => {
  test.each([
    ['DELETE', '/v1/interactions', ['GET', 'POST']],
    ['PUT', `/v1/interactions/${nobody}`, ['DELETE', 'GET', 'PATCH']],
    ['PATCH', `/v1/interactions/${nobody}/messages`, ['GET', 'POST']],
    ['POST', `/v1/messages/${nobody}`, ['DELETE', 'GET', 'PATCH']],
    ['POST', `/v1/messages/${nobody}/events`, ['GET']],
    ['POST', `/v1/interactions/${nobody}/events`, ['GET']],
    ['PROPFIND', '/v1/interactions', ['GET', 'POST']],
  ])('is refused with those it has: %s %s', async (method, path, allowed) => {
    const { status, headers, body } = await parley.request(method, path)
    expect(status).toBe(405)
    expect(headers.get('allow')?.split(', ').toSorted()).toEqual(allowed)
    expect(body).toMatchObject({ ...refused('method_not_allowed'), status: 405 })
  })

  test.each([
    ['POST', '/v1/models', ['GET']],
    ['PROPFIND', '/v1/models', ['GET']],
  ])("is refused in OpenAI's words there: %s %s", async (method, path, allowed) => {
    const { status, headers, body } = await parley.request(method, path)
    expect(status).toBe(405)
    expect(headers.get('allow')?.split(', ').toSorted()).toEqual(allowed)
    const error = { message: expect.any(String), type: 'invalid_request_error', param: null }
    expect(body).toEqual({ error: { ...error, code: 'method_not_allowed' } })
  })

  test.each([
    ['PUT', '/interactions/', ['GET', 'POST']],
    ['DELETE', `/interactions/${nobody}/messages/`, ['GET', 'POST']],
  ])('is refused as the original API did: %s %s', async (method, path, allowed) => {
    const { status, headers, body } = await parley.request(method, path, 'anything')
    expect(status).toBe(405)
    expect(headers.get('allow')?.split(', ').toSorted()).toEqual(allowed)
    expect(body).toEqual({ detail: 'Method Not Allowed' })
  })
})

describe('a slash at the end', () => {
  test.each([
    ['GET', '/v1/interactions/', '/v1/interactions'],
    ['POST', '/v1/interactions/', '/v1/interactions'],
    ['DELETE', '/v1/interactions/', '/v1/interactions'],
    ['GET', '/v1/models/?x=%2F', '/v1/models?x=%2F'],
    ['GET', `/v1/messages/${nobody}/`, `/v1/messages/${nobody}`],
    ['GET', '/interactions?a=1&b=2', '/interactions/?a=1&b=2'],
    ['POST', '/interactions', '/interactions/'],
    ['GET', `/interactions/${nobody}/messages`, `/interactions/${nobody}/messages/`],
    ['POST', `/interactions/${nobody}/messages`, `/interactions/${nobody}/messages/`],
  ])('too many or too few is redirected with its method and body: %s %s', async (method, path, target) => {
    const { status, headers } = await parley.request(method, path, method === 'POST' ? {} : undefined)
    expect(status).toBe(307)
    expect(headers.get('location')).toBe(target)
  })

  test('never leads to another site', async () => {
    for (const path of [
      '//evil.example/',
      '//evil.example',
      '/\\evil.example/',
      '//evil.example/v1/models/',
    ]) {
      const answer = await fetch(new URL(parley.url).origin + path, { redirect: 'manual' })
      expect(answer.status, path).toBe(404)
    }
  })
})
