import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawRequest, sendRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'

const limit = 2_048
const json = { 'content-type': 'application/json' }

let parley: TestServer
beforeAll(async () => {
  parley = await startServer({ BODY_LIMIT_BYTES: String(limit) })
})
afterAll(() => parley.stop())

/** A valid body of exactly `bytes` bytes. */
function bodyOf(bytes: number): string {
  const frame = JSON.stringify({ prompt: '' }).length
  return JSON.stringify({ prompt: 'x'.repeat(bytes - frame) })
}

describe('a body', () => {
  test('may be as long as the limit', async () => {
    expect((await parley.post('/v1/interactions', bodyOf(limit))).status).toBe(201)
  })

  test('may not be a byte longer', async () => {
    const { status, body } = await parley.post('/v1/interactions', bodyOf(limit + 1))
    expect(status).toBe(413)
    expect(body).toMatchObject({ code: 'body_too_large', errors: [{ in: 'body', field: '' }] })
  })

  test('is counted in bytes, not in characters', async () => {
    const { status } = await parley.post('/v1/interactions', { prompt: '🫖'.repeat(limit / 4) })
    expect(status).toBe(413)
  })

  test('that says it is too long is not waited for', async () => {
    const headers = { ...json, 'content-length': '99999999' }
    const { status, headers: answered } = await sendRaw(
      parley.url,
      rawRequest('POST', '/v1/interactions', { headers }),
    )
    expect(status).toBe(413)
    expect(answered.get('connection')).toBe('close')
  })

  test('that does not say how long it is is refused when it has become too long', async () => {
    const headers = { ...json, 'transfer-encoding': 'chunked' }
    const chunk = `400\r\n${'x'.repeat(0x4_00)}\r\n`
    const head = rawRequest('POST', '/v1/interactions', { headers })
    const { status } = await sendRaw(parley.url, Buffer.concat([head, Buffer.from(chunk.repeat(3))]))
    expect(status).toBe(413)
  })

  test('may hold sixty-four parts, and no more', async () => {
    const path = `/v1/interactions/${await parley.begin()}/messages`
    const parts = Array.from({ length: 64 }, () => ({ type: 'text', text: 'x' }))
    const kept = await parley.post(path, { content: parts, role: 'System' })
    expect(kept.body.message.content).toEqual(parts)
    const { status, body } = await parley.post(path, { content: [...parts, ...parts.slice(0, 1)] })
    expect(status).toBe(422)
    expect(body.errors).toEqual([{ in: 'body', field: 'content', message: expect.stringContaining('64') }])
  })
})
