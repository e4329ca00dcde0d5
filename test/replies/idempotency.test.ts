import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, textOf } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { holdsBack, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let time = Date.now()

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer(
    { OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/talks' },
    undefined,
    () => time,
  )
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

let keys = 0
const newKey = () => `key ${(keys += 1)}`
const withKey = (key: string) => ({ 'idempotency-key': key })

async function post(id: string, body: object, headers: Record<string, string>) {
  const answer = await server.request('POST', `/v1/interactions/${id}/messages`, body, headers)
  return { ...answer, isReplayed: answer.headers.get('idempotent-replayed') === 'true' }
}

async function textsIn(id: string): Promise<string[]> {
  const { data } = (await server.get(`/v1/interactions/${id}/messages?limit=100`)).body
  return data.filter(({ role }: Json) => role === 'Human').map(({ text }: Json) => text)
}

describe('the same key and the same body', () => {
  test('store one message, and get the same answer, also when the reply has ended since', async () => {
    const id = await server.begin()
    const headers = withKey(newKey())
    const first = await post(id, { content: 'Hello' }, headers)
    await server.events(`/v1/messages/${first.body.reply.id}/events`)
    const second = await post(id, { content: 'Hello' }, headers)
    expect(first).toMatchObject({ status: 201, isReplayed: false })
    expect(second).toMatchObject({ status: 201, isReplayed: true, body: first.body })
    expect(await textsIn(id)).toEqual(['Hello'])
  })

  test('sent by fifty at the same time, store one message', async () => {
    const id = await server.begin()
    const headers = withKey(newKey())
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post(id, { content: 'Hello' }, headers)),
    )
    const [first] = answers
    for (const { status, body } of answers)
      expect({ status, body }).toEqual({ status: 201, body: first?.body })
    expect(answers.filter(({ isReplayed }) => !isReplayed)).toHaveLength(1)
    expect(await textsIn(id)).toEqual(['Hello'])
  })

  test('sent twice among the posts of others, and where a busy interaction refuses, store one message', async () => {
    const others = await Promise.all(Array.from({ length: 10 }, () => server.begin()))
    for (let round = 0; round < 10; round += 1) {
      const id = await server.begin({ on_busy: 'reject' })
      const headers = withKey(newKey())
      const noise = others.map((other) => post(other, { content: 'Noise' }, {}))
      const copies = Array.from({ length: 4 }, () => post(id, { content: 'Hello' }, headers))
      const [first, ...rest] = await Promise.all(copies)
      await Promise.all(noise)
      expect(first?.status).toBe(201)
      for (const { status, body } of rest)
        expect({ status, body }).toEqual({ status: 201, body: first?.body })
    }
  })

  test('with a stream, join the stream that is under way', async () => {
    const words = ['Once ', 'upon ', 'a ', 'time']
    upstream.behaves('streams', says(words, { pauseMs: 30 }))
    const id = await server.begin({ model: 'openai/streams' })
    const body = JSON.stringify({ content: 'Hello', stream: true })
    const headers = { ...withKey(newKey()), 'content-type': 'application/json' }
    const path = `/v1/interactions/${id}/messages`
    const streams = await Promise.all(
      [1, 2, 3].map(() => server.events(path, { method: 'POST', headers, body })),
    )
    const [first] = streams
    for (const events of streams) expect(events).toEqual(first)
    expect(first?.[0]?.type).toBe('message.created')
    expect(textOf(first ?? [])).toBe(words.join(''))
    // Also when it is over.
    expect(await server.events(path, { method: 'POST', headers, body })).toEqual(first)
    expect(upstream.requests.filter(({ model }) => model === 'streams')).toHaveLength(1)
  })

  test('that wait, wait for the same reply', async () => {
    const id = await server.begin()
    const headers = withKey(newKey())
    const body = { content: 'Hello', wait_ms: 10_000 }
    const [one, other] = await Promise.all([post(id, body, headers), post(id, body, headers)])
    expect(one?.body.reply.status).toBe('completed')
    expect(other?.body).toEqual(one?.body)
  })

  test('after IDEMPOTENCY_HOURS are another request', async () => {
    const id = await server.begin()
    const headers = withKey(newKey())
    await post(id, { content: 'Hello' }, headers)
    time += 23 * 3_600_000
    expect((await post(id, { content: 'Hello' }, headers)).isReplayed).toBe(true)
    time += 2 * 3_600_000
    expect((await post(id, { content: 'Hello' }, headers)).isReplayed).toBe(false)
    expect(await textsIn(id)).toEqual(['Hello', 'Hello'])
  })

  test('survive a restart', async () => {
    const id = await server.begin()
    const headers = withKey(newKey())
    const first = await post(id, { content: 'Hello' }, headers)
    await server.restart()
    expect(await post(id, { content: 'Hello' }, headers)).toMatchObject({
      isReplayed: true,
      body: first.body,
    })
  })
})

test('the order of fields makes no difference', async () => {
  const id = await server.begin()
  const headers = withKey(newKey())
  const first = await post(id, { content: 'Hello', metadata: { a: '1', b: '2' } }, headers)
  const second = await post(id.toUpperCase(), { metadata: { b: '2', a: '1' }, content: 'Hello' }, headers)
  expect(second).toMatchObject({ status: 201, isReplayed: true, body: first.body })
})

describe('the same key for something else', () => {
  test.each([
    ['another body', { content: 'Bye' }],
    ['another model', { content: 'Hello', model: 'openai/other' }],
  ])('%s is refused, and nothing is stored', async (_, body) => {
    const id = await server.begin()
    const headers = withKey(newKey())
    await post(id, { content: 'Hello' }, headers)
    const { status, body: problem } = await post(id, body, headers)
    expect(status).toBe(422)
    expect(problem).toMatchObject({
      code: 'idempotency_key_reused',
      errors: [{ in: 'header', field: 'idempotency-key' }],
    })
    expect(await textsIn(id)).toEqual(['Hello'])
  })

  test('another interaction, or another kind of request, is refused', async () => {
    const headers = withKey(newKey())
    const [one, other] = [await server.begin(), await server.begin()]
    const { body } = await post(one, { content: 'Hello' }, headers)
    expect((await post(other, { content: 'Hello' }, headers)).status).toBe(422)
    const cancelled = await server.request('POST', `/v1/messages/${body.reply.id}/cancel`, undefined, headers)
    expect(cancelled.status).toBe(422)
  })
})

test('a key whose request was refused is free', async () => {
  const headers = withKey(newKey())
  const id = await server.begin()
  expect((await post('0199c000-0000-7000-8000-000000000000', { content: 'Hello' }, headers)).status).toBe(404)
  expect(await post(id, { content: 'Hello' }, headers)).toMatchObject({ status: 201, isReplayed: false })
})

test('an interaction is begun once, and a reply cancelled once', async () => {
  const headers = withKey(newKey())
  const begin = () => server.request('POST', '/v1/interactions', { title: 'One' }, headers)
  const [first, second] = [await begin(), await begin()]
  expect(second).toMatchObject({ status: 201, body: first.body })
  expect(second.headers.get('idempotent-replayed')).toBe('true')

  const { reply } = await server.say(first.body.id, 'Hello')
  const again = withKey(newKey())
  const cancel = () => server.request('POST', `/v1/messages/${reply.id}/cancel`, undefined, again)
  expect((await cancel()).body).toEqual((await cancel()).body)
})

test.each([
  ['quoted', '"quoted"'],
  ['with a " in it', '"with a \\" in it"'],
])('the key %s is the same in quotes: %s', async (bare, quoted) => {
  const id = await server.begin()
  const first = await post(id, { content: 'Hello' }, withKey(bare))
  expect((await post(id, { content: 'Hello' }, withKey(quoted))).body).toEqual(first.body)
})

test.each([
  ['nothing', ''],
  ['nothing in quotes', '""'],
  ['half a pair of quotes', '"'],
  ['two keys', 'one, other'],
  ['two keys in quotes', '"one", "other"'],
  ['256 characters', 'x'.repeat(256)],
])('a key that is %s is refused', async (_, key) => {
  const id = await server.begin()
  expect(await post(id, { content: 'Hello' }, withKey(key))).toMatchObject({
    status: 422,
    body: { errors: [{ in: 'header', field: 'idempotency-key' }] },
  })
})

test('a key of 255 characters may be in quotes', async () => {
  const id = await server.begin()
  expect((await post(id, { content: 'Hello' }, withKey(`"${'x'.repeat(255)}"`))).status).toBe(201)
})

test('no body and an empty one are the same', async () => {
  const { reply } = await server.say(await server.begin(), 'Hello')
  const headers = withKey(newKey())
  const cancel = (body?: object) => server.request('POST', `/v1/messages/${reply.id}/cancel`, body, headers)
  expect((await cancel()).status).toBe(200)
  expect((await cancel({})).status).toBe(200)
})

describe('a client of OpenAI, which counts its tries', () => {
  const tries = (count: number) => ({ 'x-stainless-retry-count': String(count) })

  test('gets the answer of its first try when it tries again', async () => {
    const id = await server.begin()
    const first = await post(id, { content: 'Hello' }, tries(0))
    expect(await post(id, { content: 'Hello' }, tries(1))).toMatchObject({
      isReplayed: true,
      body: first.body,
    })
    expect(await textsIn(id)).toEqual(['Hello'])
  })

  test('may say the same many times at once', async () => {
    const id = await server.begin()
    await Promise.all(Array.from({ length: 20 }, () => post(id, { content: 'Yes' }, tries(0))))
    expect(await textsIn(id)).toHaveLength(20)
  })

  test('may say the same twice', async () => {
    const id = await server.begin()
    await post(id, { content: 'Yes' }, tries(0))
    expect((await post(id, { content: 'Yes' }, tries(0))).isReplayed).toBe(false)
    expect(await textsIn(id)).toEqual(['Yes', 'Yes'])
  })

  test('whose first try never arrived is served by the second', async () => {
    const id = await server.begin()
    expect(await post(id, { content: 'Hello' }, tries(1))).toMatchObject({ status: 201, isReplayed: false })
    expect((await post(id, { content: 'Hello' }, tries(2))).isReplayed).toBe(true)
  })

  test('that comes later means something new', async () => {
    const id = await server.begin()
    const { body } = await post(id, { content: 'Hello' }, tries(0))
    await server.events(`/v1/messages/${body.reply.id}/events`)
    time += 3 * 60_000
    expect((await post(id, { content: 'Hello' }, tries(1))).isReplayed).toBe(false)
  })

  test('gets the answer that is still being made, however long that takes', async () => {
    const { behaviour, goOn } = holdsBack(['Y'], ['es'])
    upstream.behaves('slow', behaviour)
    const id = await server.begin({ model: 'openai/slow' })
    const first = await post(id, { content: 'Hello' }, tries(0))
    time += 10 * 60_000
    expect((await post(id, { content: 'Hello' }, tries(1))).body).toEqual(first.body)
    goOn()
  })

  test('means something new where something else was said meanwhile', async () => {
    const id = await server.begin()
    for (const content of ['Yes', 'Other']) {
      const { body } = await post(id, { content }, tries(0))
      await server.events(`/v1/messages/${body.reply.id}/events`)
    }
    // Its first try never arrived.
    expect((await post(id, { content: 'Yes' }, tries(1))).isReplayed).toBe(false)
    expect(await textsIn(id)).toEqual(['Yes', 'Other', 'Yes'])
  })

  test('that sends the same twice, of which one is refused as busy, is answered once', async () => {
    const { behaviour, goOn } = holdsBack(['O'], ['n'])
    upstream.behaves('busy', behaviour)
    const busy = await server.begin({ model: 'openai/busy', on_busy: 'reject' })
    const { body } = await post(busy, { content: 'Yes' }, tries(0))
    expect((await post(busy, { content: 'Yes' }, tries(0))).status).toBe(409)
    const again = await post(busy, { content: 'Yes' }, tries(1))
    expect([again.status, again.body.reply.id]).toEqual([201, body.reply.id])
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    goOn()
  })

  test('begins as many interactions as it asks for', async () => {
    const begin = (count: number) => server.request('POST', '/v1/interactions', {}, tries(count))
    const [first, second] = [await begin(0), await begin(1)]
    expect(second.body.id).not.toBe(first.body.id)
  })
})
