import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let upstream: Upstream
let server: TestServer
let openai: OpenAI

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/echo' })
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const hex = (uuid: string) => uuid.replaceAll('-', '')
const uuidIn = (id: string) =>
  id.slice(id.indexOf('_') + 1).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** A way in: each begins a conversation, says something in it until it is answered, and reads all of it. */
interface Door {
  begin(): Promise<string>
  say(interactionId: string, text: string): Promise<string>
  read(interactionId: string): Promise<string[]>
}

const nativeDoor: Door = {
  begin: () => server.begin(),
  async say(id, content) {
    const events = await server.events(`/v1/interactions/${id}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ content, stream: true }),
    })
    return events.map(({ type, data }) => (type === 'text.delta' ? String(data['text']) : '')).join('')
  },
  async read(id) {
    const { data } = (await server.get(`/v1/interactions/${id}/messages`)).body
    return data.map(({ text }: Json) => text)
  },
}

const openaiDoor: Door = {
  begin: async () => uuidIn((await openai.conversations.create({})).id),
  async say(id, input) {
    let said = ''
    const stream = await openai.responses.create({ conversation: `conv_${hex(id)}`, input, stream: true })
    for await (const event of stream) if (event.type === 'response.output_text.delta') said += event.delta
    return said
  },
  async read(id) {
    const items = await Array.fromAsync(openai.conversations.items.list(`conv_${hex(id)}`, { order: 'asc' }))
    return items.map((item) => (item.type === 'message' ? (item.content[0] as { text: string }).text : ''))
  },
}

const originalDoor: Door = {
  begin: async () => (await server.post('/interactions/', {})).body.id,
  async say(id, content) {
    await server.post(`/interactions/${id}/messages/`, { role: 'Human', content })
    // It has no streams: the answer appears in its list, and is followed through another door.
    const { data } = (await server.get(`/v1/interactions/${id}/messages?order=desc&limit=1`)).body
    const stream = await openai.responses.retrieve(`resp_${hex(data[0].id)}`, { stream: true })
    let said = ''
    for await (const event of stream) if (event.type === 'response.output_text.delta') said += event.delta
    await until('in its list', async () => (await originalDoor.read(id)).includes(said))
    return said
  },
  async read(id) {
    const { body } = await server.get(`/interactions/${id}/messages/`)
    return body.map((message: Json) => message.content)
  },
}

const doors = Object.entries({ native: nativeDoor, "OpenAI's": openaiDoor, original: originalDoor })

describe('a conversation that is begun through', () => {
  test.each(doors)('the %s door is read, gone on with and followed through all of them', async (_, maker) => {
    const id = await maker.begin()
    const said: string[] = []
    for (const [name, door] of doors) {
      const answer = await door.say(id, `Through the ${name} one`)
      expect(answer).toBe(`You said: Through the ${name} one`)
      said.push(`Through the ${name} one`, answer)
    }
    for (const [, door] of doors) expect(await door.read(id)).toEqual(said)
    // Each answer was made with all that was said before, whichever way it came.
    expect(upstream.requests.at(-1)?.body.messages.map(({ content }) => content)).toEqual(said.slice(0, -1))
  })
})
