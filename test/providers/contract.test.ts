import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { findProviders } from '../../src/providers/find.ts'
import { createProviderHttp } from '../../src/providers/http.ts'
import type { Provider } from '../../src/providers/provider.ts'
import {
  type Behaviour,
  fallsSilentAfter,
  hangs,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'
import { speaks, vendorWires } from '../support/vendor-wires.ts'

interface Subject {
  name: string
  talks: Behaviour
  fallsSilent: Behaviour
}

const usage = { prompt_tokens: 11, completion_tokens: 7 }
const chat = { talks: says(['Good ', 'day'], { usage }), fallsSilent: fallsSilentAfter(['Good ']) }
/** Every provider but the built-in one, which has nobody to ask. */
const remote: Subject[] = [
  ...['lab', 'ollama', 'g4f'].map((name) => ({ name, ...chat })),
  ...vendorWires.map((wire) => ({
    name: wire.name,
    talks: speaks(wire, ['Good ', 'day']),
    fallsSilent: speaks(wire, ['Good '], 'falls silent'),
  })),
]

const question: LanguageModelV4CallOptions = {
  prompt: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
}

let upstream: Upstream
let providers: Provider[]
const http = createProviderHttp()

beforeAll(async () => {
  upstream = await startUpstream()
  upstream.behaves('any', hangs())
  const { origin } = new URL(upstream.url)
  const env: Record<string, string> = {
    ...Object.assign({}, ...vendorWires.map((wire) => wire.env(origin))),
    PROVIDERS: JSON.stringify({ lab: { base_url: upstream.url } }),
    OLLAMA_URL: origin,
    G4F_URL: origin,
    ELIZA_TOKEN_MS: '0',
  }
  ;({ providers } = await findProviders(loadConfig(env), http))
})
afterAll(async () => {
  http.close()
  await upstream.stop()
})

async function modelOf(name: string, id: string): Promise<LanguageModelV4> {
  const provider = providers.find((candidate) => candidate.name === name)
  if (!provider) throw new Error(`there is no provider ${name}`)
  return provider.model(id)
}

/** Checks that `parts` are what the port promises; the text that they carry. */
function textOf(parts: LanguageModelV4StreamPart[]): string {
  const open = new Set<string>()
  let text = ''
  expect(parts[0]).toMatchObject({ type: 'stream-start' })
  for (const part of parts) {
    if (part.type === 'text-start') open.add(part.id)
    if (part.type === 'text-delta') {
      expect(open).toContain(part.id)
      text += part.delta
    }
    if (part.type === 'text-end') expect(open.delete(part.id)).toBe(true)
  }
  expect(open.size).toBe(0)
  expect(parts.filter(({ type }) => type === 'finish')).toEqual([parts.at(-1)])
  return text
}

test('every provider is here', () => {
  expect(providers.map(({ name }) => name).toSorted((one, next) => one.localeCompare(next))).toEqual(
    [...remote.map(({ name }) => name), 'builtin'].toSorted((one, next) => one.localeCompare(next)),
  )
})

describe.each(remote)('a model of $name', ({ name, talks, fallsSilent }) => {
  const named = (id: string) => `${name}-${id}`

  test('streams its text in the form of the port, and ends with reason and usage', async () => {
    upstream.behaves(named('talks'), talks)
    const { stream } = await (await modelOf(name, named('talks'))).doStream(question)
    const parts = await Array.fromAsync(stream)
    expect(textOf(parts)).toBe('Good day')
    expect(parts.at(-1)).toMatchObject({
      finishReason: { unified: 'stop' },
      usage: { inputTokens: { total: 11 }, outputTokens: { total: 7 } },
    })
  })

  test('closes its call when it is cancelled while it speaks', async () => {
    upstream.behaves(named('aborted'), fallsSilent)
    const abort = new AbortController()
    const model = await modelOf(name, named('aborted'))
    const { stream } = await model.doStream({ ...question, abortSignal: abort.signal })
    const read = Array.fromAsync(stream).catch(() => {})
    abort.abort()
    await (
      await upstream.asked(named('aborted'))
    ).closed
    await read
  })

  test('closes its call when its stream is left', async () => {
    upstream.behaves(named('left'), fallsSilent)
    const { stream } = await (await modelOf(name, named('left'))).doStream(question)
    for await (const part of stream) if (part.type === 'text-delta') break
    await (
      await upstream.asked(named('left'))
    ).closed
  })

  test('closes its call when it is cancelled before it answers', async () => {
    upstream.behaves(named('hangs'), hangs())
    const abort = new AbortController()
    const model = await modelOf(name, named('hangs'))
    const asked = model.doStream({ ...question, abortSignal: abort.signal })
    const refused = expect(asked).rejects.toThrow()
    const { closed } = await upstream.asked(named('hangs'))
    abort.abort(new Error('not wanted any more'))
    await Promise.all([refused, closed])
  })

  test('is listed by its provider', async () => {
    const provider = providers.find((candidate) => candidate.name === name)
    const models = await provider?.listModels(AbortSignal.timeout(1_000))
    expect(models?.[0]?.id).toBeTypeOf('string')
  })
})

describe('the built-in model', () => {
  test('streams its text in the form of the port, the same each time, and whole at once', async () => {
    const model = await modelOf('builtin', 'eliza')
    const answer = async () => textOf(await Array.fromAsync((await model.doStream(question)).stream))
    const text = await answer()
    expect(text).toMatch(/^\(I am ELIZA/)
    expect(await answer()).toBe(text)
    const { content, finishReason } = await model.doGenerate(question)
    expect(content).toEqual([{ type: 'text', text }])
    expect(finishReason.unified).toBe('stop')
  })

  test('stops where it is cut off', async () => {
    const model = await modelOf('builtin', 'eliza')
    const { content, finishReason } = await model.doGenerate({ ...question, maxOutputTokens: 3 })
    expect(content).toEqual([{ type: 'text', text: '(I am ELIZA, ' }])
    expect(finishReason.unified).toBe('length')
  })

  test('is silent once it is cancelled', async () => {
    const model = await modelOf('builtin', 'eliza')
    const { stream } = await model.doStream({
      ...question,
      abortSignal: AbortSignal.abort(new Error('stop')),
    })
    await expect(Array.fromAsync(stream)).rejects.toThrow('stop')
  })
})

describe('a model of an OpenAI-compatible endpoint', () => {
  test('answers whole from its stream', async () => {
    upstream.behaves('whole', chat.talks)
    const { content, usage: counted } = await (await modelOf('lab', 'whole')).doGenerate(question)
    expect(content).toEqual([{ type: 'text', text: 'Good day' }])
    expect(counted.outputTokens.total).toBe(7)
  })
})
