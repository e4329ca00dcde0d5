import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { breaksAfter, holdsBack, refuses, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/usual',
    CONTEXT_WINDOW_TOKENS: '1000',
  })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

/** What the model was asked last, as `role: content`. */
function lastAsked(): string[] {
  const messages = upstream.requests.at(-1)?.body.messages ?? []
  return messages.map(({ role, content }) => `${role}: ${String(content)}`)
}

describe('what a model is asked', () => {
  test('is the whole conversation, with the prompt in front of every turn', async () => {
    const id = await server.begin({ prompt: 'Be brief.' })
    await server.say(id, 'One')
    await server.say(id, 'Two')
    expect(lastAsked()).toEqual(['system: Be brief.', 'user: One', 'assistant: You said: One', 'user: Two'])
  })

  test('has no system message where there is no prompt', async () => {
    await server.say(await server.begin(), 'One')
    expect(lastAsked()).toEqual(['user: One'])
  })

  test('is the prompt as it is now', async () => {
    const id = await server.begin({ prompt: 'Be brief.' })
    await server.request('PATCH', `/v1/interactions/${id}`, { prompt: 'Be verbose.' })
    await server.say(id, 'One')
    expect(lastAsked()).toEqual(['system: Be verbose.', 'user: One'])
  })

  test('has what the System said in front, because many models take it nowhere else', async () => {
    const id = await server.begin({ prompt: 'Be brief.' })
    await server.say(id, 'One')
    await server.post(`/v1/interactions/${id}/messages`, { role: 'System', content: 'It is night.' })
    await server.say(id, 'Two')
    expect(lastAsked()[0]).toBe('system: Be brief.\n\nIt is night.')
    expect(lastAsked().at(-1)).toBe('user: Two')
  })

  test('has what an answer said before it broke off, and nothing of one that failed', async () => {
    const id = await server.begin()
    upstream.behaves('breaks', breaksAfter(['Half an ']))
    upstream.behaves('refuses', refuses(400))
    await server.say(id, 'One', { model: 'openai/breaks' })
    await server.say(id, 'Two', { model: 'openai/refuses' })
    await server.say(id, 'Three')
    expect(lastAsked()).toEqual(['user: One', 'assistant: Half an ', 'user: Two', 'user: Three'])
  })

  test('is what the interaction says of how to answer', async () => {
    const settings = { temperature: 0.5, top_p: 0.9, max_output_tokens: 64, stop: ['END'], seed: 7 }
    await server.say(await server.begin({ ...settings, presence_penalty: 0.25 }), 'One')
    expect(upstream.requests.at(-1)?.body).toMatchObject({
      temperature: 0.5,
      top_p: 0.9,
      max_tokens: 64,
      stop: ['END'],
      seed: 7,
      presence_penalty: 0.25,
      stream: true,
    })
  })

  test('leaves out the oldest turns where they do not fit the window, never the prompt', async () => {
    const id = await server.begin({ prompt: 'Be brief.' })
    const long = (name: string) => `${name} ${'several words more '.repeat(20)}`.trim()
    for (const name of ['One', 'Two', 'Three', 'Four']) await server.say(id, long(name))
    await server.say(id, 'Five')
    const asked = lastAsked()
    expect(asked[0]).toBe('system: Be brief.')
    expect(asked[1]).toMatch(/^user: (Two|Three|Four)/)
    expect(asked.at(-3)).toBe(`user: ${long('Four')}`)
    expect(asked.at(-1)).toBe('user: Five')
    expect(asked.join()).not.toContain('One')
  })
})

describe('messages that are posted while an answer is being made', () => {
  test('are answered one after the other, in their order, each with the answers before it', async () => {
    const { behaviour, goOn } = holdsBack(['First '], ['answer'])
    upstream.behaves('waits', behaviour)
    const id = await server.begin()
    const path = `/v1/interactions/${id}/messages`
    await server.post(path, { content: 'One', model: 'openai/waits' })
    await upstream.asked('waits')
    await server.post(path, { content: 'Two' })
    const last = server.say(id, 'Three')
    goOn()
    await last

    expect(lastAsked()).toEqual([
      'user: One',
      'assistant: First answer',
      'user: Two',
      'assistant: You said: Two',
      'user: Three',
    ])
    const { data } = (await server.get(path)).body
    expect(data.map(({ position, text }: { position: number; text: string }) => [position, text])).toEqual([
      [1, 'One'],
      [2, 'First answer'],
      [3, 'Two'],
      [4, 'You said: Two'],
      [5, 'Three'],
      [6, 'You said: Three'],
    ])
  })
})
