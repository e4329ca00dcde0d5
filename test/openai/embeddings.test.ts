import { OpenAI } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type Behaviour, hangs, refuses, sends, startUpstream, type Upstream } from '../support/upstream.ts'

let parley: TestServer
let upstream: Upstream
let openai: OpenAI
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({
    PROVIDERS: JSON.stringify({ lab: { base_url: upstream.url } }),
    MISTRAL_API_KEY: 'key',
    MISTRAL_BASE_URL: upstream.url,
  })
  openai = openAiClient(parley)
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

/** Answers with a vector for each text; for all models but one the last one first. */
const embeds: Behaviour = (response, { body }) => {
  const input = body['input'] as string[]
  const data = input.map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 0.5, -1] }))
  response.setHeader('content-type', 'application/json')
  response.end(
    JSON.stringify({
      data: body['model'] === 'vectors' ? data : data.toReversed(),
      usage: { prompt_tokens: 5, total_tokens: 5 },
    }),
  )
}

describe('embeddings', () => {
  test.each(['lab', 'mistral'])('are made by a model of %s, in the order of the texts', async (provider) => {
    upstream.behaves('vectors', embeds)
    const made = await openai.embeddings.create({ model: `${provider}/vectors`, input: ['One', 'Three'] })
    expect(made).toMatchObject({
      object: 'list',
      model: `${provider}/vectors`,
      data: [
        { object: 'embedding', index: 0, embedding: [3, 0.5, -1] },
        { object: 'embedding', index: 1, embedding: [5, 0.5, -1] },
      ],
      usage: { prompt_tokens: 5, total_tokens: 5 },
    })
  })

  test('are as short as asked, and in order also where the provider is not', async () => {
    upstream.behaves('short', embeds)
    const made = await openai.embeddings.create({
      model: 'lab/short',
      input: ['Hi', 'Hello'],
      dimensions: 3,
      encoding_format: 'float',
    })
    expect(made.data.map(({ index, embedding }) => [index, embedding[0]])).toEqual([
      [0, 2],
      [1, 5],
    ])
    const { body, path } = await upstream.asked('short')
    expect(body).toMatchObject({ input: ['Hi', 'Hello'], dimensions: 3 })
    expect(path).toBe('/v1/embeddings')
  })

  test.each([
    ['is at its limit', refuses(429, { 'retry-after': '7' }), OpenAI.RateLimitError],
    ['is down', refuses(503), OpenAI.InternalServerError],
    ['does not know it', refuses(404, {}, { code: 'model_not_found' }), OpenAI.NotFoundError],
    ['takes no such text', refuses(400), OpenAI.BadRequestError],
    ['sends something else', sends('{"data":[{}]}', 'application/json'), OpenAI.InternalServerError],
    ['sends too few', sends('{"data":[]}', 'application/json'), OpenAI.InternalServerError],
  ])('of a provider that %s are an error of the client', async (_, behaviour, kind) => {
    upstream.behaves('bad', behaviour)
    const error: unknown = await openai.embeddings
      .create({ model: 'lab/bad', input: 'Hi' })
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(kind)
    if (error instanceof OpenAI.RateLimitError) expect(error.headers.get('retry-after')).toBe('7')
  })

  test('of a client that leaves are not waited for', async () => {
    upstream.behaves('slow', hangs())
    const abort = new AbortController()
    const asked = openai.embeddings.create({ model: 'lab/slow', input: 'Hi' }, { signal: abort.signal })
    const { closed } = await upstream.asked('slow')
    abort.abort()
    await expect(asked).rejects.toThrow(OpenAI.APIUserAbortError)
    await closed
  })

  test.each([
    ['a model that makes none', { model: 'builtin/eliza' }, 'model', 'invalid_value'],
    ['tokens', { input: [[1, 2]] }, 'input[0]', 'unsupported_parameter'],
    ['the tokens of one text', { input: [1, 2] }, 'input[0]', 'unsupported_parameter'],
    ['nothing', { input: [] }, 'input', 'invalid_value'],
    ['too many texts', { input: Array.from({ length: 2_049 }, () => 'Hi') }, 'input', 'invalid_value'],
    ['an empty text', { input: [''] }, 'input[0]', 'invalid_value'],
    ['no model', { model: undefined }, 'model', 'missing_required_parameter'],
    ['no input', { input: undefined }, 'input', 'missing_required_parameter'],
  ])('cannot be asked for with %s', async (_, body, param, code) => {
    const asked = openai.embeddings.create({ model: 'lab/vectors', input: 'Hi', ...body } as never)
    await expect(asked).rejects.toMatchObject({ status: 400, param, code })
  })
})

describe('a model', () => {
  test('is found by its name, with or without its slash encoded', async () => {
    upstream.behaves('org/big', embeds)
    upstream.behaves('vectors', embeds)
    expect(await openai.models.retrieve('lab/vectors')).toMatchObject({
      id: 'lab/vectors',
      object: 'model',
      owned_by: 'lab',
    })
    const listed = await Array.fromAsync(openai.models.list())
    expect(listed.map(({ id }) => id)).toContain('builtin/eliza')
    expect((await parley.get('/v1/models/builtin/eliza')).body.id).toBe('builtin/eliza')
  })

  test('is found by a name of many pieces, and what only looks like one is told in the shape of the door', async () => {
    upstream.behaves('a/b/c/d', embeds)
    const fresh = await startServer({ PROVIDERS: JSON.stringify({ lab: { base_url: upstream.url } }) })
    for (const path of ['lab/a/b/c/d', 'lab%2Fa%2Fb%2Fc%2Fd', 'lab/a%2Fb/c/d']) {
      expect((await fresh.get(`/v1/models/${path}`)).body.id).toBe('lab/a/b/c/d')
    }
    for (const path of ['lab/a/b/c/e', 'lab/']) {
      const { status, body } = await fresh.get(`/v1/models/${path}`)
      expect([status, body.error?.code]).toEqual([404, 'model_not_found'])
    }
    await fresh.stop()
  })

  test('that nobody offers is not found', async () => {
    await expect(openai.models.retrieve('lab/nothing')).rejects.toThrow(OpenAI.NotFoundError)
  })
})
