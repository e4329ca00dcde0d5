import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { nobody } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'

const key = 'a-key-of-16-characters-or-more'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer({ API_KEY: key })
})
afterAll(() => parley.stop())

const get = (path: string, authorization?: string) =>
  parley.request('GET', path, undefined, { authorization: authorization ?? '' })

describe('a server with a key', () => {
  test('lets in whoever has it', async () => {
    expect((await get('/v1/models', `Bearer ${key}`)).status).toBe(200)
    expect((await get('/v1/models', `bearer   ${key}`)).status).toBe(200)
    expect((await get('/interactions/', `Bearer ${key}`)).status).toBe(200)
  })

  test.each([
    ['no key', ''],
    ['a wrong key', `Bearer ${key}x`],
    ['the beginning of the key', `Bearer ${key.slice(0, -1)}`],
    ['the key in capitals', `Bearer ${key.toUpperCase()}`],
    ['the bare key', key],
    ['another scheme', `Basic ${Buffer.from(`me:${key}`).toString('base64')}`],
    ['two keys', `Bearer ${key} ${key}`],
    ['nothing behind the scheme', 'Bearer '],
  ])('refuses %s', async (_what, authorization) => {
    const { status, headers, body } = await get('/v1/interactions', authorization)
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toMatch(/^Bearer /)
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(body).toMatchObject({ code: 'unauthorized', errors: [{ in: 'header', field: 'authorization' }] })
    expect(JSON.stringify(body)).not.toContain(key)
  })

  test('refuses in the words of the original API there', async () => {
    const { status, headers, body } = await get('/interactions/')
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toMatch(/^Bearer /)
    expect(body).toEqual({ detail: expect.any(String) })
  })

  test.each([
    ['POST', '/v1/interactions'],
    ['DELETE', `/v1/interactions/${nobody}`],
    ['POST', `/v1/interactions/${nobody}/messages`],
    ['GET', `/v1/messages/${nobody}/events`],
    ['GET', `/v1/interactions/${nobody}/events`],
    ['POST', '/interactions/'],
    ['GET', '/v1/nothing'],
    ['PUT', '/v1/models'],
    ['GET', '/interactions'],
  ])('says to a stranger neither what is there nor what is wrong: %s %s', async (method, path) => {
    const answer = await parley.request(method, path, method === 'POST' ? 'no JSON' : undefined, {
      authorization: '',
    })
    expect(answer.status).toBe(401)
  })

  test('stores nothing of a stranger', async () => {
    await parley.request('POST', '/v1/interactions', { title: 'Mine' }, { authorization: 'Bearer wrong' })
    expect((await parley.get('/v1/interactions')).body.data).toEqual([])
  })
})

describe('a key', () => {
  test.each(['short', 'with some spaces in it', 'mit-Umlauten-schlüssel'])(
    'that protects nobody is refused at start: %s',
    (wrong) => {
      expect(() => loadConfig({ API_KEY: wrong })).toThrow('API_KEY')
      try {
        loadConfig({ API_KEY: wrong })
      } catch (error) {
        expect((error as Error).message).not.toContain(wrong)
      }
    },
  )
})
