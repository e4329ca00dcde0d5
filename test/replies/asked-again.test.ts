import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/echo' })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const tool = (name: string) => ({ name, parameters: { type: 'object' } })
const post = (path: string, body: object = {}) => server.post(path, { wait_ms: 15_000, ...body })

/** The tools that a model was told of last, and which it had to call. */
function toldLast() {
  const asked = upstream.requests.at(-1)?.body
  const choice = asked?.['tool_choice']
  const names = ((asked?.['tools'] ?? []) as Array<{ function: { name: string } }>).map(
    (each) => each.function.name,
  )
  return { names, choice: (choice as { function?: { name: string } } | undefined)?.function?.name ?? choice }
}

async function saidWithTools() {
  const id = await server.begin()
  return server.say(id, 'Hello', { tools: [tool('one'), tool('two')], tool_choice: { name: 'one' } })
}

describe('an answer that is made anew', () => {
  test('may call what the first one might', async () => {
    const { reply } = await saidWithTools()
    await post(`/v1/messages/${reply.id}/regenerate`)
    expect(toldLast()).toEqual({ names: ['one', 'two'], choice: 'one' })
  })

  test('need not call what it is not offered any more', async () => {
    const { reply } = await saidWithTools()
    await post(`/v1/messages/${reply.id}/regenerate`, { tools: [tool('other')] })
    expect(toldLast()).toEqual({ names: ['other'], choice: undefined })
  })

  test('may be made to call what the first one might', async () => {
    const { reply } = await saidWithTools()
    const { status } = await post(`/v1/messages/${reply.id}/regenerate`, { tool_choice: { name: 'two' } })
    expect(status).toBe(201)
    expect(toldLast()).toEqual({ names: ['one', 'two'], choice: 'two' })
  })

  test('cannot be made to call what nobody offers', async () => {
    const { reply } = await saidWithTools()
    expect(
      await post(`/v1/messages/${reply.id}/regenerate`, { tool_choice: { name: 'none' } }),
    ).toMatchObject({ status: 422, body: { errors: [{ in: 'body', field: 'tool_choice' }] } })
  })

  test('is refused where its question is gone, instead of answering what stood before that', async () => {
    const id = await server.begin()
    await server.say(id, 'One')
    const { message, reply } = await server.say(id, 'Two')
    await server.request('DELETE', `/v1/messages/${message.id}`)
    expect(await post(`/v1/messages/${reply.id}/regenerate`)).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'path', field: 'id' }] },
    })
  })

  test('is told as the first time where it is asked for once more, also when its question is gone', async () => {
    const id = await server.begin()
    await server.say(id, 'One')
    const { message, reply } = await server.say(id, 'Two')
    const headers = { 'idempotency-key': 'made anew' }
    const regenerate = () => server.request('POST', `/v1/messages/${reply.id}/regenerate`, undefined, headers)
    const first = await regenerate()
    expect(await regenerate()).toMatchObject({ status: 201, body: first.body })
    await server.request('DELETE', `/v1/messages/${message.id}`)
    expect(await regenerate()).toMatchObject({ status: 410, body: { code: 'removed' } })
  })
})

describe('a question that is said otherwise', () => {
  test('is asked as it was', async () => {
    const { message } = await saidWithTools()
    await post(`/v1/messages/${message.id}/edit`, { content: 'Hello again' })
    expect(toldLast()).toEqual({ names: ['one', 'two'], choice: 'one' })
  })

  test('has a stream only where it is answered', async () => {
    const { reply } = await saidWithTools()
    const edited = await server.post(`/v1/messages/${reply.id}/edit`, { content: 'Mine', stream: true })
    expect(edited).toMatchObject({ status: 422, body: { errors: [{ in: 'body', field: 'stream' }] } })
    const { data } = (await server.get(`/v1/interactions/${reply.interaction_id}/messages`)).body
    expect(data).toHaveLength(2)
  })
})
