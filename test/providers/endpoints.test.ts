import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type Behaviour, echoes, hangs, resets, startUpstream, type Upstream } from '../support/upstream.ts'

let lab: Upstream
let cloud: Upstream
let server: TestServer

beforeEach(async () => {
  lab = await startUpstream()
  cloud = await startUpstream()
})
afterEach(async () => {
  await server?.stop()
  await lab.stop()
  await cloud.stop()
})

/** Two endpoints by name, and what else `env` says. */
async function start(env: Record<string, string> = {}, labSettings: object = {}) {
  const endpoints = {
    lab: { base_url: `${lab.url}/`, api_key: 'key-of-the-lab', ...labSettings },
    cloud: { base_url: cloud.url },
  }
  server = await startServer({ PROVIDERS: JSON.stringify(endpoints), ...env })
}

const listed = async () => (await server.get('/v1/models')).body.data
const idsListed = async () => (await listed()).map(({ id }: Json) => id)
const ask = async (settings: object) => (await server.say(await server.begin(settings), 'Hello')).reply

describe('endpoints by name', () => {
  test('are asked by their names, each with its own key', async () => {
    await start()
    expect(await ask({ model: 'lab/any/name:7b' })).toMatchObject({
      status: 'completed',
      model: 'lab/any/name:7b',
    })
    expect(await ask({ model: 'cloud/big' })).toMatchObject({ status: 'completed', model: 'cloud/big' })
    expect(lab.requests).toMatchObject([
      {
        model: 'any/name:7b',
        path: '/v1/chat/completions',
        headers: { authorization: 'Bearer key-of-the-lab' },
      },
    ])
    expect(cloud.requests).toHaveLength(1)
    expect(cloud.requests[0]?.headers.authorization).toBeUndefined()
  })

  test('may be called as something that every object has', async () => {
    server = await startServer({ PROVIDERS: JSON.stringify({ constructor: { base_url: lab.url } }) })
    expect(await ask({ model: 'constructor/any' })).toMatchObject({ status: 'completed' })
  })

  test('are told the limit of an answer under the name that each of them knows', async () => {
    await start({}, { token_limit: 'max_completion_tokens' })
    for (const model of ['lab/o3', 'cloud/big']) await ask({ model, max_output_tokens: 50 })
    expect(lab.requests[0]?.body).toMatchObject({ max_completion_tokens: 50 })
    expect(lab.requests[0]?.body).not.toHaveProperty('max_tokens')
    expect(cloud.requests[0]?.body).toMatchObject({ max_tokens: 50 })
  })

  test('list what they offer, with where it came from', async () => {
    lab.behaves('qwen', echoes())
    cloud.behaves('llama', echoes())
    await start({ DEFAULT_MODEL: 'cloud/llama' })
    expect(await listed()).toMatchObject([
      { id: 'lab/qwen', object: 'model', owned_by: 'lab', source: 'configured', default: false },
      { id: 'cloud/llama', owned_by: 'cloud', source: 'configured', default: true },
      { id: 'builtin/eliza', source: 'builtin', context_window: 32_768 },
    ])
  })

  test('that cannot list are taken at their word', async () => {
    lab = await startUpstream({ listsModels: false })
    await start({}, { models: ['qwen', 'phi'], context_window_tokens: 4_096 })
    expect((await listed()).slice(0, 2)).toMatchObject([
      { id: 'lab/qwen', context_window: 4_096, default: true },
      { id: 'lab/phi', context_window: 4_096 },
    ])
  })

  test('that do not answer hold up no list', async () => {
    cloud.behaves('llama', echoes())
    await start({ DEFAULT_MODEL: 'cloud/llama' })
    await lab.stop()
    expect(await idsListed()).toEqual(['cloud/llama', 'builtin/eliza'])
  })

  test('that close a connection which was kept are asked again, but not where that had time to ask them', async () => {
    await start({ MAX_PROVIDER_FAILURES: '1' })
    const late: Behaviour = async (response) => {
      await pause(800)
      response.destroy()
    }
    lab.behaves('qwen', echoes(), resets(), echoes(), late)
    const model = 'lab/qwen'
    expect(await ask({ model })).toMatchObject({ status: 'completed' })
    expect(await ask({ model })).toMatchObject({ status: 'completed', attempt: 1 })
    expect(lab.requests).toHaveLength(3)
    expect(await ask({ model })).toMatchObject({
      status: 'failed',
      error: { code: 'provider_unavailable' },
    })
    expect(lab.requests).toHaveLength(4)
  })

  test('may take longer to their first token than others', async () => {
    await start(
      { FIRST_TOKEN_TIMEOUT_MS: '60000', MAX_PROVIDER_FAILURES: '1' },
      { first_token_timeout_ms: 50 },
    )
    lab.behaves('slow', hangs())
    expect(await ask({ model: 'lab/slow' })).toMatchObject({ error: { code: 'provider_timeout' } })
  })

  test('have windows of their own: what does not fit is not sent', async () => {
    await start({}, { context_window_tokens: 256 })
    const id = await server.begin({ model: 'lab/small', max_output_tokens: 16 })
    await server.say(id, `One ${'and more '.repeat(150)}`)
    await server.say(id, 'Two')
    expect(lab.requests.at(-1)?.body.messages).toMatchObject([{ content: 'Two' }])
  })
})

describe('the model of interactions that name none', () => {
  test('is the first that is found, where none is configured', async () => {
    lab.behaves('qwen', echoes())
    await start()
    expect(await ask({})).toMatchObject({ model: 'lab/qwen' })
  })

  test('is the demo, where nothing else offers one', async () => {
    await start()
    expect(await ask({})).toMatchObject({ model: 'builtin/eliza' })
  })

  test('is what DEFAULT_MODEL says', async () => {
    await start({ DEFAULT_MODEL: 'cloud/llama' })
    expect(await ask({})).toMatchObject({ model: 'cloud/llama' })
  })

  test('may be named without its provider: then it is the first one of the operator', async () => {
    await start({ DEFAULT_MODEL: 'llama' })
    expect(await ask({})).toMatchObject({ model: 'lab/llama' })
  })

  test('must be one that somebody serves, or the server does not start', async () => {
    await expect(startServer({ DEFAULT_MODEL: 'gpt-5' })).rejects.toThrow(/DEFAULT_MODEL is "gpt-5".*builtin/)
    await start()
  })
})

describe('a model', () => {
  test('without its provider is found at who offers it, else taken to the default provider', async () => {
    cloud.behaves('llama', echoes())
    await start({ DEFAULT_MODEL: 'lab/qwen' })
    await listed()
    expect(await ask({ model: 'llama' })).toMatchObject({ model: 'cloud/llama' })
    expect(await ask({ model: 'mistral' })).toMatchObject({ model: 'lab/mistral' })
  })

  test('that nobody serves is refused by the name of its field', async () => {
    server = await startServer()
    const refused = { status: 422, body: { code: 'unknown_model', errors: [{ in: 'body', field: 'model' }] } }
    expect(await server.post('/v1/interactions', { model: 'gpt-5' })).toMatchObject(refused)
    const id = await server.begin()
    const path = `/v1/interactions/${id}`
    expect(await server.post(`${path}/messages`, { content: 'Hello', model: 'gpt-5' })).toMatchObject(refused)
    expect(await server.request('PATCH', path, { model: 'gpt-5' })).toMatchObject(refused)
    expect((await server.get(`${path}/messages`)).body.data).toEqual([])
    expect((await server.get(path)).body.model).toBe('builtin/eliza')
  })

  test('that its provider does not know fails with a reason', async () => {
    server = await startServer()
    expect(await ask({ model: 'builtin/parry' })).toMatchObject({
      status: 'failed',
      attempt: 1,
      error: { code: 'model_not_found' },
    })
  })
})
