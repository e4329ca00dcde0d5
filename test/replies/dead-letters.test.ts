import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, textOf } from '../support/client.ts'
import { engine } from '../support/database.ts'
import { nobody } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import {
  type Behaviour,
  breaksAfter,
  hangs,
  holdsBack,
  refuses,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const dayMs = 86_400_000
let upstream: Upstream
let server: TestServer
let daysLater = 0

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer(
    { OPENAI_BASE_URL: upstream.url, MAX_PROVIDER_FAILURES: '2' },
    undefined,
    () => Date.now() + daysLater * dayMs,
  )
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

let models = 0

/** A reply of a model of its own that behaves so, when it has ended. */
async function ended(...behaviours: Behaviour[]): Promise<Json> {
  const model = `model-${(models += 1)}`
  upstream.behaves(model, ...behaviours)
  const { reply } = await server.say(await server.begin(), 'Hello', { model: `openai/${model}` })
  return reply
}

const list = async (query = '') => (await server.get(`/v1/replies?limit=100${query}`)).body.data
const idsOf = (items: Json[]) => items.map(({ id }) => id)
const requeue = (id: string, headers: Record<string, string> = {}) =>
  server.request('POST', `/v1/messages/${id}/requeue`, undefined, headers)
const requeueAll = (body: object, headers: Record<string, string> = {}) =>
  server.request('POST', '/v1/replies/requeue', body, headers)
const eventsOf = ({ id }: Json, after = 0) => server.events(`/v1/messages/${id}/events?after=${after}`)
const read = async ({ id }: Json) => (await server.get(`/v1/messages/${id}`)).body

describe('the list of replies', () => {
  test('has those of a status, newest first, with why they ended and what was tried', async () => {
    const refused = await ended(refuses(400))
    const away = await ended(refuses(503))
    const broken = await ended(breaksAfter(['Half ']))
    const whole = await ended(says(['Whole']))
    expect((await list('&status=failed')).slice(0, 2)).toEqual([
      {
        object: 'reply',
        id: away.id,
        interaction_id: away.interaction_id,
        position: 2,
        status: 'failed',
        model: away.model,
        error: { code: 'provider_unavailable', message: expect.any(String) },
        attempt: 2,
        crashes: 0,
        failures: 1,
        throttles: 0,
        created_at: away.created_at,
        completed_at: away.completed_at,
      },
      expect.objectContaining({ id: refused.id, attempt: 1 }),
    ])
    expect((await list('&status=incomplete'))[0]).toMatchObject({ id: broken.id })
    expect((await list('&status=completed'))[0]).toMatchObject({ id: whole.id, error: null })
    expect(idsOf(await list()).slice(0, 4)).toEqual(idsOf([whole, broken, away, refused]))
  })

  test('has those that are open, and those that were cancelled', async () => {
    upstream.behaves('hangs', hangs())
    const id = await server.begin({ model: 'openai/hangs' })
    const post = () => server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })
    const [running, waiting] = [(await post()).body.reply, (await post()).body.reply]
    await until('claimed', async () => (await read(running)).status === 'in_progress')
    expect(idsOf(await list('&status=in_progress'))).toEqual([running.id])
    expect(idsOf(await list('&status=queued'))).toEqual([waiting.id])
    for (const reply of [waiting, running]) await server.post(`/v1/messages/${reply.id}/cancel`)
    expect(idsOf(await list('&status=cancelled')).slice(0, 2)).toEqual(idsOf([waiting, running]))
  })

  test('may be cut down to a code and a model', async () => {
    const [one, other] = [await ended(refuses(401)), await ended(refuses(401))]
    const found = await list('&status=failed&error=provider_unauthorized')
    expect(idsOf(found)).toEqual(idsOf([other, one]))
    expect(idsOf(await list(`&model=${one.model}`))).toEqual([one.id])
    expect(idsOf(await list(`&error=provider_unauthorized&model=openai/none`))).toEqual([])
  })

  test('comes in pages, in either order', async () => {
    for (let count = 0; count < 3; count += 1) await ended(refuses(400))
    const all = idsOf(await list('&status=failed'))
    const paged: string[] = []
    for (let cursor = ''; ;) {
      const { body } = await server.get(`/v1/replies?status=failed&limit=2${cursor}`)
      paged.push(...idsOf(body.data))
      if (!body.has_more) break
      cursor = `&after=${body.next}`
    }
    expect(paged).toEqual(all)
    expect(idsOf(await list('&status=failed&order=asc'))).toEqual(all.toReversed())
    expect(idsOf(await list(`&status=failed&before=${all[2]}`))).toEqual(all.slice(0, 2))
  })

  test.each([
    ['status=dead', 'status'],
    ['error=nonsense', 'error'],
    ['after=7', 'after'],
    ['limit=101', 'limit'],
    ['since=1', 'since'],
  ])('refuses %s by its name', async (query, field) => {
    expect(await server.get(`/v1/replies?${query}`)).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'query', field }] },
    })
  })
})

describe('a failed reply that is requeued', () => {
  test('waits in its place with nothing tried, and is made again under its id', async () => {
    const { behaviour, goOn } = holdsBack([], ['At ', 'last'])
    const failed = await ended(refuses(503), refuses(503), behaviour)
    const before = await eventsOf(failed)
    const { status, body } = await requeue(failed.id)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      id: failed.id,
      position: 2,
      status: 'queued',
      text: '',
      error: null,
      completed_at: null,
    })
    goOn()
    const behind = await eventsOf(failed, before.length)
    expect(behind.map(({ type }) => type).filter((type) => type !== 'text.delta')).toEqual([
      'reply.requeued',
      'reply.restarted',
      'reply.completed',
    ])
    expect(await read(failed)).toMatchObject({
      status: 'completed',
      text: 'At last',
      attempt: 3,
      error: null,
    })

    const whole = await eventsOf(failed)
    expect(whole).toEqual([...before, ...behind])
    expect(whole.map(({ id }) => id)).toEqual(whole.map((_, index) => index + 1))
    expect(textOf(whole)).toBe('At last')
    expect(idsOf(await list('&status=failed'))).not.toContain(failed.id)
  })

  test('is followed by who comes back with the end of before, and by who waits with a key', async () => {
    const { behaviour, goOn } = holdsBack(['At '], ['last'])
    const model = `model-${(models += 1)}`
    upstream.behaves(model, refuses(400), behaviour)
    const path = `/v1/interactions/${await server.begin()}/messages`
    const post = () =>
      server.request(
        'POST',
        path,
        { content: 'Hello', model: `openai/${model}`, wait_ms: 15_000 },
        { 'idempotency-key': model },
      )
    const { reply } = (await post()).body
    const last = (await eventsOf(reply)).length
    await requeue(reply.id)
    await upstream.asked(model, 2)
    const [following, fromTheStart, waiting] = [eventsOf(reply, last), eventsOf(reply), post()]
    const { events } = await server.open(`/v1/messages/${reply.id}/events?after=${last}`)
    for await (const { type } of events) if (type === 'text.delta') break
    goOn()
    expect((await following).at(-1)?.type).toBe('reply.completed')
    expect((await fromTheStart).slice(last)).toEqual(await following)
    expect((await waiting).body.reply).toMatchObject({ status: 'completed', text: 'At last' })
  })

  test('fails again after as many tries as the first time', async () => {
    const failed = await ended(refuses(503))
    await requeue(failed.id)
    expect((await eventsOf(failed)).at(-1)?.type).toBe('reply.failed')
    expect(await read(failed)).toMatchObject({ status: 'failed', attempt: 4 })
    expect(upstream.requests.filter(({ model }) => `openai/${model}` === failed.model)).toHaveLength(4)
  })

  test('says all of it anew, where it was incomplete', async () => {
    const broken = await ended(breaksAfter(['Half ']), says(['Whole']))
    expect(broken.status).toBe('incomplete')
    await requeue(broken.id)
    expect(textOf(await eventsOf(broken))).toBe('Whole')
    expect(await read(broken)).toMatchObject({ status: 'completed', text: 'Whole' })
  })

  test('may be cancelled while it waits, and has said nothing then', async () => {
    const broken = await ended(breaksAfter(['Half ']), hangs())
    await requeue(broken.id)
    await server.post(`/v1/messages/${broken.id}/cancel`)
    expect(await read(broken)).toMatchObject({ status: 'cancelled', text: '' })
    expect(textOf(await eventsOf(broken))).toBe('')
  })
})

describe('requeueing', () => {
  test('is refused for what is open, whole, cancelled, said by a client, or not there', async () => {
    upstream.behaves('hangs', hangs())
    const id = await server.begin({ model: 'openai/hangs' })
    const { body } = await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })
    expect(await requeue(body.reply.id)).toMatchObject({ status: 409, body: { code: 'reply_in_progress' } })
    await server.post(`/v1/messages/${body.reply.id}/cancel`)
    expect(await requeue(body.reply.id)).toMatchObject({ status: 409, body: { code: 'conflict' } })
    const whole = await ended(says(['Whole']))
    expect(await requeue(whole.id)).toMatchObject({ status: 409, body: { code: 'conflict' } })
    expect(await requeue(body.message.id)).toMatchObject({
      status: 404,
      body: { code: 'not_found', detail: expect.stringContaining('No model made this message') },
    })
    expect((await requeue(nobody)).status).toBe(404)
    expect((await requeue('7')).status).toBe(422)
  })

  test('begins with the first of its models again, and nothing is tried', async () => {
    upstream.behaves('first', refuses(401), says(['Whole']))
    upstream.behaves('second', refuses(401))
    const model = ['openai/first', 'openai/second']
    const { reply: failed } = await server.say(await server.begin(), 'Hello', { model })
    expect(failed).toMatchObject({ status: 'failed', model: 'openai/second', tried: [{ model: model[0] }] })
    const first = { model: 'openai/first', tried: [] }
    expect((await requeue(failed.id)).body).toMatchObject({ ...first, status: 'queued' })
    await eventsOf(failed)
    expect(await read(failed)).toMatchObject({ ...first, status: 'completed', text: 'Whole' })
  })

  test('by ten at the same time is done once', async () => {
    const failed = await ended(refuses(400), says(['Whole'], { pauseMs: 300 }))
    const answers = await Promise.all(Array.from({ length: 10 }, () => requeue(failed.id)))
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([200, ...Array.from({ length: 9 }, () => 409)])
    const types = (await eventsOf(failed)).map(({ type }) => type)
    expect(types.filter((type) => type === 'reply.requeued')).toHaveLength(1)
  })

  test('by ten with the same key is one request', async () => {
    const failed = await ended(refuses(400), refuses(400), says(['Whole']))
    const headers = { 'idempotency-key': `requeue ${failed.id}` }
    const answers = await Promise.all(Array.from({ length: 10 }, () => requeue(failed.id, headers)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    await eventsOf(failed)
    // Also when it has failed once more.
    const again = await requeue(failed.id, headers)
    expect(again).toMatchObject({ status: 200, body: { status: 'failed' } })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    const types = (await eventsOf(failed)).map(({ type }) => type)
    expect(types.filter((type) => type === 'reply.requeued')).toHaveLength(1)
  })
})

test('the copy of a failed reply says what was tried, and that it is to be regenerated', async () => {
  upstream.behaves('refuses', refuses(401))
  upstream.behaves('refuses-too', refuses(400))
  const model = ['openai/refuses', 'openai/refuses-too']
  const source = await server.begin()
  const { reply } = await server.say(source, 'Hello', { model })
  const { body: fork } = await server.post(`/v1/interactions/${source}/fork`, {})
  const { body: messages } = await server.get(`/v1/interactions/${fork.id}/messages`)
  const copy = messages.data[1]
  expect(copy).toMatchObject({ status: 'failed', tried: reply.tried, model: reply.model })
  expect(copy.tried).toHaveLength(1)
  expect(await requeue(copy.id)).toMatchObject({
    status: 409,
    body: { code: 'conflict', detail: expect.stringContaining('regenerate') },
  })
  expect((await requeueAll({ model: reply.model })).body.requeued).toBe(1)
  expect(idsOf(await list(`&status=failed&model=${model[1]}`))).toContain(copy.id)
})

test('a failed reply whose question was deleted is not made again, alone or with others', async () => {
  upstream.behaves('unasked', refuses(400))
  const id = await server.begin({ model: 'openai/unasked' })
  await server.say(id, 'First')
  const { message, reply } = await server.say(id, 'Second')
  await server.request('DELETE', `/v1/messages/${message.id}`)
  expect(await requeue(reply.id)).toMatchObject({
    status: 409,
    body: { code: 'conflict', detail: expect.stringContaining('was deleted') },
  })
  expect((await requeueAll({ model: 'openai/unasked' })).body.requeued).toBe(1)
  expect((await read(reply)).status).toBe('failed')
})

describe('requeueing many', () => {
  /** Five that ended with a code that nothing else here has. */
  async function five(...then: Behaviour[]) {
    const filtered = refuses(400, {}, { message: 'prompt is too long' })
    return Promise.all(Array.from({ length: 5 }, () => ended(filtered, ...then)))
  }
  const error = 'context_length_exceeded'

  test('takes the oldest first, says how many, and whether there are more', async () => {
    const failed = await five(says(['Whole']))
    const other = await ended(refuses(400))
    const first = await requeueAll({ error, limit: 2 })
    expect(first).toMatchObject({ status: 200, body: { object: 'requeued', requeued: 2, has_more: true } })
    const rest = await requeueAll({ error, after: first.body.next })
    expect(rest.body).toEqual({ object: 'requeued', requeued: 3, has_more: false, next: null })
    for (const reply of failed) {
      await eventsOf(reply)
      expect(await read(reply)).toMatchObject({ status: 'completed', text: 'Whole' })
    }
    expect((await read(other)).status).toBe('failed')
    expect((await requeueAll({ error })).body).toMatchObject({ requeued: 0, has_more: false })
  })

  test('with the same key is done once, and answered the same', async () => {
    const failed = await five()
    const send = () => requeueAll({ error, limit: 3 }, { 'idempotency-key': 'all of them' })
    const first = await send()
    expect(first.body).toMatchObject({ requeued: 3, has_more: true })
    for (const reply of failed) await eventsOf(reply)
    const second = await send()
    expect(second).toMatchObject({ status: 200, body: first.body })
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    const types = (await Promise.all(failed.map((reply) => eventsOf(reply)))).flat().map(({ type }) => type)
    expect(types.filter((type) => type === 'reply.requeued')).toHaveLength(3)
  })

  test('takes what is incomplete only where it is asked to', async () => {
    const broken = await ended(breaksAfter(['Half ']), says(['Whole']))
    await requeueAll({ model: broken.model })
    expect((await read(broken)).status).toBe('incomplete')
    expect((await requeueAll({ status: 'incomplete', model: broken.model })).body.requeued).toBe(1)
    await eventsOf(broken)
    expect(await read(broken)).toMatchObject({ status: 'completed', text: 'Whole' })
  })

  test('leaves out what is not kept: nobody would read it', async () => {
    upstream.behaves('gone', refuses(400), says(['Whole']))
    const model = 'openai/gone'
    const messages = [{ role: 'user', content: 'Hello' }]
    expect((await server.post('/v1/chat/completions', { model, messages })).status).toBe(400)
    const [failed] = await list(`&status=failed&model=${model}`)
    expect((await requeueAll({ model })).body).toMatchObject({ requeued: 0, has_more: false })
    // By its own name it may be.
    expect((await requeue(failed.id)).status).toBe(200)
    await eventsOf(failed)
    expect((await read(failed)).status).toBe('completed')
  })

  test.each([
    [{ status: 'completed' }, 'status'],
    [{ limit: 101 }, 'limit'],
    [{ error: 'nonsense' }, 'error'],
    [{ after: 'x' }, 'after'],
  ])('refuses %j by its name', async (body, field) => {
    expect(await requeueAll(body)).toMatchObject({ status: 422, body: { errors: [{ in: 'body', field }] } })
  })
})

// On PostgreSQL each reply that waits has a job, and there is no room for any sooner than for more in one interaction.
test.skipIf(engine === 'postgres')(
  'requeueing many stops in front of what there is no room for',
  async () => {
    const crowded = await startServer({ OPENAI_BASE_URL: upstream.url, MAX_QUEUED_REPLIES: '2' })
    const path = '/v1/replies/requeue'
    try {
      upstream.behaves('first', refuses(400), says(['Whole']))
      upstream.behaves('crowd', refuses(400), refuses(400), refuses(400), refuses(400), hangs())
      const { reply: first } = await crowded.say(await crowded.begin(), 'Hello', { model: 'openai/first' })
      const id = await crowded.begin({ model: 'openai/crowd' })
      const crowd: Json[] = []
      for (let count = 0; count < 4; count += 1) crowd.push((await crowded.say(id, 'Hello')).reply)
      for (const { id: each } of crowd.slice(0, 3)) await crowded.post(`/v1/messages/${each}/requeue`)

      const { body } = await crowded.post(path, {})
      expect(body).toMatchObject({ requeued: 1, has_more: true, next: first.id })
      await crowded.events(`/v1/messages/${first.id}/events`)
      const goOn = { after: body.next }
      expect(await crowded.post(path, goOn)).toMatchObject({ status: 503, body: { code: 'server_busy' } })
      await crowded.post(`/v1/messages/${crowd[0].id}/cancel`)
      expect((await crowded.post(path, goOn)).body).toMatchObject({ requeued: 1, has_more: false })
    } finally {
      await crowded.stop()
    }
  },
)

test('a reply whose events go soon is not made again, because they could not go on', async () => {
  const failed = await ended(refuses(400))
  daysLater = 7
  expect(await requeue(failed.id)).toMatchObject({ status: 410, body: { code: 'events_expired' } })
  expect((await requeueAll({})).body.requeued).toBe(0)
  expect((await read(failed)).status).toBe('failed')
})
