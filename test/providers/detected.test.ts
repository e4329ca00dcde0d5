import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { echoes, reportsErrorAfter, says, startUpstream, type Upstream } from '../support/upstream.ts'

/** Nobody listens there. */
const nobody = 'http://127.0.0.1:9'

let upstream: Upstream
let server: TestServer

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(async () => {
  await server.stop()
  await upstream.stop()
})

const origin = () => new URL(upstream.url).origin

async function start(env: Record<string, string>) {
  server = await startServer({ DETECT: 'on', OLLAMA_URL: nobody, G4F_URL: nobody, ...env })
}

async function listed() {
  const { data } = (await server.get('/v1/models')).body
  return data.map(({ id, source, default: isDefault }: Json) => [id, source, isDefault])
}

describe.each([
  ['ollama', 'OLLAMA_URL'],
  ['g4f', 'G4F_URL'],
])('%s on this machine', (name, variable) => {
  test('is found at start: its models are offered, and the first of them is the default', async () => {
    upstream.behaves('first', echoes())
    upstream.behaves('second', echoes())
    await start({ [variable]: origin() })
    expect(await listed()).toEqual([
      [`${name}/first`, 'detected', true],
      [`${name}/second`, 'detected', false],
      ['builtin/eliza', 'builtin', false],
    ])
    const { reply } = await server.say(await server.begin(), 'Hello')
    expect(reply).toMatchObject({ model: `${name}/first`, text: 'You said: Hello' })
    expect(upstream.requests[0]?.path).toBe('/v1/chat/completions')
  })

  test('without a model is not taken: it could not be a default', async () => {
    await start({ [variable]: origin() })
    expect(await listed()).toEqual([['builtin/eliza', 'builtin', true]])
  })

  test('is not looked for where that is not wanted', async () => {
    upstream.behaves('first', echoes())
    await start({ [variable]: origin(), DETECT: 'off' })
    expect(await listed()).toEqual([['builtin/eliza', 'builtin', true]])
  })

  test('does not come before what is configured', async () => {
    upstream.behaves('first', echoes())
    await start({ [variable]: origin(), OPENAI_BASE_URL: upstream.url })
    expect(await listed()).toEqual([
      ['openai/first', 'environment', true],
      [`${name}/first`, 'detected', false],
      ['builtin/eliza', 'builtin', false],
    ])
  })
})

test('a server that is something else, or hangs, is not taken and holds up nobody', async () => {
  const other = await startServer()
  const hanging = await startUpstream({ listsModels: false })
  const begun = performance.now()
  await start({ OLLAMA_URL: `${other.url}/docs`, G4F_URL: new URL(hanging.url).origin })
  expect(performance.now() - begun).toBeLessThan(2_000)
  expect(await listed()).toEqual([['builtin/eliza', 'builtin', true]])
  await other.stop()
  await hanging.stop()
})

describe('g4f', () => {
  beforeEach(async () => {
    upstream.behaves('gpt-4o', says(['Hi']))
    await start({ G4F_URL: origin() })
  })

  const ask = async (model: string) => (await server.say(await server.begin({ model }), 'Hello')).reply

  test.each([
    ['chooses an upstream itself', 'gpt-4o', '/v1/chat/completions', 'gpt-4o'],
    ['asks the one that is named', 'Pollinations:openai', '/api/Pollinations/chat/completions', 'openai'],
    ['takes models with a colon', 'deepseek/r1:free', '/v1/chat/completions', 'deepseek/r1:free'],
    ['takes both', 'OpenRouter:deepseek/r1:free', '/api/OpenRouter/chat/completions', 'deepseek/r1:free'],
  ])('%s', async (_, id, path, model) => {
    const reply = await ask(`g4f/${id}`)
    expect(reply).toMatchObject({ status: 'completed', model: `g4f/${id}` })
    expect(upstream.requests.at(-1)).toMatchObject({ path, model })
  })

  test('an error that comes as data is a failure, not an answer', async () => {
    const message = 'ResponseStatusError: Response 402: pay for org-12345'
    upstream.behaves('breaks', reportsErrorAfter([], { message }), says(['Hi']))
    upstream.behaves('breaks-later', reportsErrorAfter(['Half'], { message }))
    expect(await ask('g4f/breaks')).toMatchObject({ status: 'completed', attempt: 2, text: 'Hi' })
    const later = await ask('g4f/breaks-later')
    expect(later).toMatchObject({
      status: 'incomplete',
      text: 'Half',
      error: { code: 'provider_unavailable' },
    })
    expect(JSON.stringify(later)).not.toContain('org-12345')
  })
})
