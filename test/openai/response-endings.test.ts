import { createOpenAI } from '@ai-sdk/openai'
import { APICallError } from '@ai-sdk/provider'
import { generateText } from 'ai'
import OpenAI, { APIError } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import {
  type Behaviour,
  breaksAfter,
  echoes,
  endsEarlyAfter,
  fallsSilentAfter,
  holdsBack,
  refuses,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let client: OpenAI

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({
    OPENAI_BASE_URL: upstream.url,
    TOKEN_TIMEOUT_MS: '200',
    MAX_REPLY_CHARS: '1024',
    CIRCUIT_FAILURES: '1000',
  })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

let models = 0
/** A model that does this, whatever it is asked. */
function modelThat(behaviour: Behaviour): string {
  models += 1
  upstream.behaves(`model-${models}`, behaviour)
  return `openai/model-${models}`
}

const tooLong = refuses(400, {}, { code: 'context_length_exceeded' })
const unpaid = refuses(429, {}, { type: 'insufficient_quota' })
const failures: Array<[name: string, Behaviour, status: number, code: string, told: object]> = [
  ['a request that is not taken', refuses(400), 400, 'provider_rejected', { code: 'invalid_prompt' }],
  ['what does not fit', tooLong, 400, 'context_length_exceeded', { code: 'context_length_exceeded' }],
  ['an empty account', unpaid, 429, 'insufficient_quota', { code: 'insufficient_quota' }],
  ['a key that is refused', refuses(401), 502, 'provider_unauthorized', { code: 'server_error' }],
  ['a model that is gone', refuses(404), 404, 'model_not_found', { code: 'model_not_found' }],
  ['a silent end', endsEarlyAfter([]), 502, 'provider_interrupted', { code: 'server_error' }],
]

describe.each(failures)('a response that comes to nothing: %s', (_, behaviour, status, code, told) => {
  test('is an error for who waits for it, and can be read', async () => {
    const asked = client.responses.create({ model: modelThat(behaviour), input: 'Hello' })
    const error = await asked.catch((reason: unknown) => reason)
    if (!(error instanceof APIError)) throw new Error('did not fail')
    expect(error).toMatchObject({ status, code })
    const response = await client.responses.retrieve(error.headers?.get('x-parley-response') ?? '')
    expect(response).toMatchObject({ status: 'failed', output: [], incomplete_details: null })
    expect(response.error).toEqual({
      message: expect.any(String),
      type: expect.any(String),
      param: null,
      ...told,
    })
  })

  test('is told by an event to who follows it', async () => {
    const stream = await client.responses.create({
      model: modelThat(behaviour),
      input: 'Hello',
      stream: true,
    })
    const last = (await Array.fromAsync(stream)).at(-1)
    expect(last).toMatchObject({ type: 'response.failed', response: { status: 'failed', error: told } })
  })
})

const breaks: Array<[name: string, Behaviour]> = [
  ['reset', breaksAfter(['Half ', 'an '])],
  ['ended without its mark', endsEarlyAfter(['Half ', 'an '])],
  ['silent', fallsSilentAfter(['Half ', 'an '])],
]

describe.each(breaks)('an answer that breaks off: %s', (_, behaviour) => {
  const told = {
    status: 'failed',
    error: { code: 'server_error', type: 'server_error' },
    incomplete_details: null,
    output: [{ type: 'message', status: 'incomplete', content: [{ text: 'Half an ' }] }],
  }

  test('has failed, and what was said stays', async () => {
    const response = await client.responses.create({ model: modelThat(behaviour), input: 'Hello' })
    expect(response).toMatchObject(told)
    expect(await client.responses.retrieve(response.id)).toEqual(response)
  })

  test('is told as that to who follows it', async () => {
    const stream = await client.responses.create({
      model: modelThat(behaviour),
      input: 'Hello',
      stream: true,
    })
    expect((await Array.fromAsync(stream)).at(-1)).toMatchObject({ type: 'response.failed', response: told })
  })
})

const cutOffs: Array<[name: string, Behaviour, reason: string]> = [
  ['by its limit', says(['Half '], { reason: 'length' }), 'max_output_tokens'],
  ['by a filter', says(['Half '], { reason: 'content_filter' }), 'content_filter'],
  [
    'by the length that this server keeps',
    says(['Half '.repeat(100), 'of it '.repeat(200)]),
    'max_output_tokens',
  ],
]

test.each(cutOffs)('an answer that is cut off %s is incomplete', async (_, behaviour, reason) => {
  const response = await client.responses.create({ model: modelThat(behaviour), input: 'Hello' })
  expect(response).toMatchObject({ status: 'incomplete', error: null, incomplete_details: { reason } })
})

test('who follows a response that is deleted while it is made is told so', async () => {
  const model = modelThat(holdsBack(['A '], ['b']).behaviour)
  const stream = await client.responses.create({ model, input: 'Hello', stream: true })
  const reading = async () => {
    let id = ''
    for await (const event of stream) {
      if (event.type === 'response.created') ({ id } = event.response)
      if (event.type === 'response.output_text.delta') await client.responses.delete(id)
    }
  }
  await expect(reading()).rejects.toThrow('The response was deleted while it was made')
})

test('the AI SDK hears why an answer broke off', async () => {
  const provider = createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' })
  const model = provider.responses(modelThat(breaksAfter(['Half '])))
  const error = await generateText({ model, prompt: 'Hello', maxRetries: 0 }).catch(
    (reason: unknown) => reason,
  )
  if (!APICallError.isInstance(error)) throw new Error('not told as the API’s error')
  expect(error.message).toContain('broke off')
})

test('what came to nothing is asked again as something new', async () => {
  upstream.behaves('recovers', refuses(400), echoes())
  const ask = () => client.responses.create({ model: 'openai/recovers', input: 'Hello' })
  await expect(ask()).rejects.toMatchObject({ status: 400 })
  expect((await ask()).output_text).toBe('You said: Hello')
})
