import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Json, textOf } from '../support/client.ts'
import { killAgainAndAgain } from '../support/crash/kill.ts'
import { createRandom } from '../support/crash/random.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { until } from '../support/until.ts'
import { says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  const words = Array.from({ length: 30 }, (_, index) => `word${index} `)
  upstream.behaves('slow', says(words, { pauseMs: 8 }))
  server = await spawnServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/slow',
    MAX_CRASHES: '1000',
  })
})

afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

/** Sends it until there is an answer, through all of the server's deaths. */
async function insist(send: () => Promise<{ status: number; body: Json }>): Promise<Json> {
  for (;;) {
    const answer = await send().catch(() => undefined)
    if (answer && answer.status < 300) return answer.body
    if (answer && answer.status !== 503) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
    await server.whenUp()
    // A turn of the loop, in which the end of the last one can be heard.
    await new Promise(setImmediate)
  }
}

async function messagesOf(id: string): Promise<Json[]> {
  return (await server.get(`/v1/interactions/${id}/messages?limit=100`)).body.data
}

test('a post that five clients send fifty times, while the server is killed, is one message with one answer', async () => {
  const id = await server.begin()
  const path = `/v1/interactions/${id}/messages`
  const headers = { 'idempotency-key': 'a storm' }
  const answers: Json[] = []
  const hasAnswered = (more: number) => {
    const goal = answers.length + more
    return until('answered', () => answers.length >= goal, 15_000)
  }
  const client = async () => {
    for (let tries = 0; tries < 50; tries += 1) {
      answers.push(await insist(() => server.request('POST', path, { content: 'Hello' }, headers)))
    }
  }
  const clients = Promise.all(Array.from({ length: 5 }, client))
  await killAgainAndAgain(server, createRandom(), { times: 3, lifeMs: 0, when: () => hasAnswered(40) })
  await clients

  for (const answer of answers) expect(answer).toEqual(answers[0])
  const events = await server.events(`/v1/messages/${answers[0].reply.id}/events`)
  expect(events.filter(({ type }) => type === 'reply.completed')).toHaveLength(1)
  const messages = await messagesOf(id)
  expect(messages.map(({ role, status }) => `${role} ${status}`)).toEqual(['Human completed', 'AI completed'])
}, 60_000)

test('an answer that is made anew while the server is killed is one more answer, on one more branch', async () => {
  const { id } = await insist(() => server.post('/v1/interactions', {}))
  const path = `/v1/interactions/${id}/messages`
  const { message, reply } = await insist(() =>
    server.request('POST', path, { content: 'Hello' }, { 'idempotency-key': 'once' }),
  )
  const answers: Json[] = []
  const client = async (key: string) => {
    for (let tries = 0; tries < 10; tries += 1) {
      const headers = { 'idempotency-key': key }
      const again = `/v1/messages/${reply.id}/regenerate`
      answers.push(await insist(() => server.request('POST', again, {}, headers)))
    }
  }
  const clients = Promise.all(['a', 'a', 'b', 'b'].map(client))
  await killAgainAndAgain(server, createRandom(), { times: 2, lifeMs: 300 })
  await clients

  const made = [...new Set(answers.map((answer) => String(answer.reply.id)))]
  expect(made).toHaveLength(2)
  for (const one of [reply.id, ...made]) {
    const events = await server.events(`/v1/messages/${one}/events`)
    expect(events.map((event) => event.id)).toEqual(events.map((_, index) => index + 1))
    expect(events.filter(({ type }) => type === 'reply.completed')).toHaveLength(1)
    const { body } = await server.get(`/v1/messages/${one}`)
    expect(body).toMatchObject({ status: 'completed', parent_id: message.id, text: textOf(events) })
  }
  const branches = (await server.get(`/v1/interactions/${id}/branches`)).body.data
  expect(branches).toMatchObject([
    { number: 1, parent: 0, fork_position: 1, first_position: 3 },
    { number: 2, parent: 0, fork_position: 1, first_position: 4 },
  ])
  const current = await messagesOf(id)
  expect(current.map(({ position, branch }) => [position, branch])).toEqual([
    [1, 0],
    [4, 2],
  ])
}, 60_000)

test('a reply that was said to be cancelled stays so, whenever the server is killed', async () => {
  const random = createRandom()
  const cancelled: Json[] = []
  const stopping = new AbortController()
  const hasCancelled = (more: number) => {
    const goal = cancelled.length + more
    return until('cancelled', () => cancelled.length >= goal, 15_000)
  }
  const client = async () => {
    const id = await insist(() => server.post('/v1/interactions', {}))
    while (!stopping.signal.aborted) {
      const { reply } = await insist(() =>
        server.post(`/v1/interactions/${id.id}/messages`, { content: 'Hi' }),
      )
      // Some of them while they wait, some while they are made, some when they have ended.
      const words = random.between(0, 12)
      for (let seen = 0; seen < words; seen += 1) await server.get(`/v1/messages/${reply.id}`).catch(() => {})
      cancelled.push(await insist(() => server.post(`/v1/messages/${reply.id}/cancel`)))
    }
  }
  const clients = Promise.all(Array.from({ length: 4 }, client))
  await killAgainAndAgain(server, random, {
    times: 3,
    lifeMs: 200,
    when: () => hasCancelled(1),
  })
  stopping.abort()
  await clients

  const stopped = cancelled.filter(({ status }) => status === 'cancelled')
  expect(stopped.length).toBeGreaterThan(0)
  for (const told of cancelled) {
    expect((await server.get(`/v1/messages/${told.id}`)).body).toEqual(told)
    const events = await server.events(`/v1/messages/${told.id}/events`)
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index + 1))
    expect(events.filter(({ type }) => type === `reply.${told.status}`)).toHaveLength(1)
    expect(textOf(events)).toBe(told.text)
  }
  expect(server.complaints).toEqual([])
}, 60_000)
