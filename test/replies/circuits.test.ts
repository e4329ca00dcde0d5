import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import {
  begin,
  type Behaviour,
  echoes,
  hangs,
  holdsBack,
  refuses,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
/** Leaves a provider alone for long, and one that tries it again soon. */
let patient: TestServer
let quick: TestServer
const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

beforeAll(async () => {
  upstream = await startUpstream()
  const env = {
    PROVIDERS: JSON.stringify(
      Object.fromEntries(names.map((name) => [name, { base_url: upstream.url, models: [name, `${name}2`] }])),
    ),
    CIRCUIT_FAILURES: '2',
    // Each failure is the end of its answer, so that waiting is told from trying again.
    MAX_PROVIDER_FAILURES: '1',
    MAX_THROTTLES: '1',
  }
  patient = await startServer({ ...env, CIRCUIT_PAUSE_MS: '60000' })
  quick = await startServer({ ...env, CIRCUIT_PAUSE_MS: '100' })
})
afterAll(async () => {
  await patient.stop()
  await quick.stop()
  await upstream.stop()
})

function timesAsked(name: string) {
  return upstream.requests.filter(({ model }) => model === name).length
}

async function fail(server: TestServer, name: string, times = 1) {
  upstream.behaves(name, refuses(500))
  for (let count = 0; count < times; count += 1) {
    const { reply } = await server.say(await server.begin({ model: `${name}/${name}` }), 'Hello')
    expect(reply).toMatchObject({ status: 'failed', error: { code: 'provider_unavailable' } })
  }
}

async function post(server: TestServer, model: string | string[]) {
  const interaction = await server.begin({ model })
  const { body } = await server.post(`/v1/interactions/${interaction}/messages`, { content: 'Hello' })
  return { interaction, id: body.reply.id as string }
}

/** What was posted before has been looked at when so many have gone by. */
async function letOthersGoBy(server: TestServer) {
  for (let count = 0; count < 3; count += 1) {
    const { reply } = await server.say(await server.begin({ model: 'b/b' }), 'Hello')
    expect(reply.status).toBe('completed')
  }
}

async function ended(id: string) {
  return (await quick.events(`/v1/messages/${id}/events`)).at(-1)?.type
}

async function healthOf(server: TestServer, model: string) {
  const { body } = await server.get('/v1/models')
  return body.data.find(({ id }: { id: string }) => id === model).health
}

/** Breaks off before the first token, once it is told to. */
function breaksWhenTold(): { behaviour: Behaviour; breakOff: () => void } {
  const told = Promise.withResolvers<void>()
  const behaviour: Behaviour = async (response) => {
    begin(response)
    await told.promise
    response.destroy()
  }
  return { behaviour, breakOff: told.resolve }
}

describe('a provider that failed again and again', () => {
  test('is left alone: who has another model goes there at once', async () => {
    await fail(patient, 'a', 2)
    const { reply } = await patient.say(await patient.begin({ model: ['a/a', 'b/b'] }), 'Hello')
    expect(reply).toMatchObject({ status: 'completed', model: 'b/b', attempt: 1 })
    expect(reply.tried).toMatchObject([{ model: 'a/a', code: 'provider_unavailable' }])
    expect(timesAsked('a')).toBe(2)
  })

  test('is not asked by who has no other, and whoever stands behind a cancelled answer does not wait', async () => {
    const { id, interaction } = await post(patient, 'a/a')
    await letOthersGoBy(patient)
    const behind = await patient.post(`/v1/interactions/${interaction}/messages`, {
      content: 'And you?',
      model: 'b/b',
    })
    expect((await patient.post(`/v1/messages/${id}/cancel`)).body.status).toBe('cancelled')
    await patient.events(`/v1/messages/${behind.body.reply.id}/events`)
    expect((await patient.get(`/v1/messages/${behind.body.reply.id}`)).body.status).toBe('completed')
    expect(timesAsked('a')).toBe(2)
  })

  test('is shown as unavailable, with all its models, and nobody else', async () => {
    const health = { status: 'unavailable', since: expect.any(String), last_error: 'provider_unavailable' }
    expect(await healthOf(patient, 'a/a')).toEqual(health)
    expect(await healthOf(patient, 'a/a2')).toEqual(health)
    expect(await healthOf(patient, 'b/b')).toEqual({
      status: 'ok',
      since: expect.any(String),
      last_error: null,
    })
    expect(await healthOf(patient, 'builtin/eliza')).toEqual({ status: 'ok', since: null, last_error: null })
  })

  test('is asked again after a while: who waited is answered, and has lost no try', async () => {
    await fail(quick, 'c', 2)
    const { id } = await post(quick, 'c/c')
    upstream.behaves('c', echoes())
    const events = await quick.events(`/v1/messages/${id}/events`)
    expect(events[0]).toMatchObject({ type: 'reply.started', data: { attempt: 1, model: 'c/c' } })
    expect(events.at(-1)?.type).toBe('reply.completed')
    expect(await healthOf(quick, 'c/c')).toMatchObject({ status: 'ok', last_error: null })
  })

  test('gets a single call at first, and the others when that is answered', async () => {
    await fail(quick, 'd', 2)
    const { behaviour, goOn } = holdsBack([], ['Back.'])
    upstream.behaves('d', behaviour, echoes())
    const posts = await Promise.all([1, 2, 3, 4].map(() => post(quick, 'd/d')))
    await upstream.asked('d', 3)
    await letOthersGoBy(quick)
    expect(timesAsked('d')).toBe(3)
    goOn()
    for (const { id } of posts) {
      expect((await quick.events(`/v1/messages/${id}/events`)).at(-1)?.type).toBe('reply.completed')
    }
    expect(timesAsked('d')).toBe(6)
  })

  test('is left alone for longer when the call that tries it fails, too', async () => {
    await fail(quick, 'e', 2)
    upstream.behaves('e', refuses(500))
    const { id } = await post(quick, 'e/e')
    // It waited for its turn to try, and it is its own try that it loses.
    expect((await quick.events(`/v1/messages/${id}/events`)).at(-1)?.type).toBe('reply.failed')
    expect(timesAsked('e')).toBe(3)
    expect(await healthOf(quick, 'e/e')).toMatchObject({ status: 'unavailable' })
  })

  test('and is given a call that is cancelled, is not taken to be back', async () => {
    await fail(quick, 'f', 2)
    upstream.behaves('f', hangs(), echoes())
    const { id } = await post(quick, 'f/f')
    await upstream.asked('f', 3)
    await quick.post(`/v1/messages/${id}/cancel`)
    await until('left alone again', async () => (await healthOf(quick, 'f/f')).status === 'unavailable')
    const next = await post(quick, 'f/f')
    expect((await quick.events(`/v1/messages/${next.id}/events`)).at(-1)?.type).toBe('reply.completed')
  })
})

describe('a call that fails late, of before its provider was left alone', () => {
  test('neither takes the trial from the one that tries it, nor has a provider that is back left alone', async () => {
    const [early, late] = [breaksWhenTold(), breaksWhenTold()]
    const { behaviour: trial, goOn } = holdsBack([], ['Back.'])
    const both = [early.behaviour, early.behaviour, late.behaviour, late.behaviour]
    upstream.behaves('g', ...both, refuses(500), refuses(500), trial, echoes())
    const old: string[] = []
    for (let count = 1; count <= 4; count += 1) {
      old.push((await post(quick, 'g/g')).id)
      await upstream.asked('g', count)
    }
    for (let count = 0; count < 2; count += 1) await ended((await post(quick, 'g/g')).id)
    expect(await healthOf(quick, 'g/g2')).toMatchObject({ status: 'unavailable' })

    const { id } = await post(quick, 'g/g')
    await upstream.asked('g', 7)
    early.breakOff()
    for (const each of old.slice(0, 2)) expect(await ended(each)).toBe('reply.failed')
    goOn()
    expect(await ended(id)).toBe('reply.completed')
    expect(await healthOf(quick, 'g/g2')).toMatchObject({ status: 'ok' })

    late.breakOff()
    for (const each of old.slice(2)) expect(await ended(each)).toBe('reply.failed')
    expect(await healthOf(quick, 'g/g2')).toMatchObject({ status: 'ok' })
  })
})

describe('a provider that is there', () => {
  test('is shown as degraded after a failure, and as ok when it answers again', async () => {
    await fail(patient, 'c')
    expect(await healthOf(patient, 'c/c')).toMatchObject({
      status: 'degraded',
      last_error: 'provider_unavailable',
    })
    upstream.behaves('c', echoes())
    await patient.say(await patient.begin({ model: 'c/c' }), 'Hello')
    expect(await healthOf(patient, 'c/c')).toMatchObject({ status: 'ok', last_error: null })
  })

  test.each([
    ['e', 429, 'provider_rate_limited', 'degraded'],
    ['f', 401, 'provider_unauthorized', 'unavailable'],
  ] as const)('%s is asked on, however often it answers %i', async (name, status, code, health) => {
    upstream.behaves(name, refuses(status))
    const before = timesAsked(name)
    for (let count = 0; count < 3; count += 1) {
      const { reply } = await patient.say(await patient.begin({ model: `${name}/${name}` }), 'Hello')
      expect(reply).toMatchObject({ status: 'failed', error: { code } })
    }
    expect(timesAsked(name)).toBe(before + 3)
    expect(await healthOf(patient, `${name}/${name}`)).toMatchObject({ status: health, last_error: code })
  })
})

test('who has waited for as long as is allowed fails, and is told why', async () => {
  await patient.restart({ MAX_PROVIDER_WAIT_MS: '200' })
  await fail(patient, 'd', 2)
  const before = timesAsked('d')
  const { id } = await post(patient, 'd/d')
  await patient.events(`/v1/messages/${id}/events`)
  expect((await patient.get(`/v1/messages/${id}`)).body).toMatchObject({
    status: 'failed',
    error: { code: 'provider_unavailable' },
  })
  expect(timesAsked('d')).toBe(before)
})
