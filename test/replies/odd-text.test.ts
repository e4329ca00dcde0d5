import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { createDatabase } from '../support/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { callsTools, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

/** What the model is told to say, as it is kept and as it was told. */
async function answerTo(model: string, question: string) {
  const id = await server.begin({ model: `openai/${model}` })
  const { reply } = await server.say(id, question)
  const events = await server.events(`/v1/messages/${reply.id}/events`)
  const told = (type: string, field: string) =>
    events.map(({ type: of, data }) => (of === type ? String(data[field]) : '')).join('')
  return { reply, told }
}

const found = async (at: TestServer, query: string): Promise<number> => {
  const { status, body } = await at.get(`/v1/conversations?${new URLSearchParams({ query }).toString()}`)
  expect(status).toBe(200)
  return body.data.length
}

describe('a model that says what no text can hold', () => {
  test.each([
    ['a null character', ['nu', 'l\u0000l'], 'null'],
    ['a character in two halves', ['smile \ud83d', '\ude00!'], 'smile \u{1f600}!'],
    ['a first half alone', ['half \ud83d', ' of it'], 'half \ufffd of it'],
    ['a second half alone', ['half ', '\ude00of it'], 'half \ufffdof it'],
    ['a first half at its end', ['half ', '\ud83d'], 'half '],
  ])('is heard without it: %s', async (what, words, heard) => {
    const model = what.replaceAll(' ', '-')
    upstream.behaves(model, says(words, { before: words.map((text) => ({ reasoning_content: text })) }))
    const { reply, told } = await answerTo(model, 'Say it')
    expect(reply).toMatchObject({ status: 'completed', text: heard })
    expect(reply.content).toEqual([
      { type: 'reasoning', text: heard },
      { type: 'text', text: heard },
    ])
    expect([told('text.delta', 'text'), told('reasoning.delta', 'text')]).toEqual([heard, heard])
  })

  test('is heard without it in refusals and in calls of tools', async () => {
    upstream.behaves(
      'odd-refusal',
      says([], { before: [{ refusal: 'N\u0000o\ud83d' }, { refusal: '\ude00' }] }),
    )
    const refused = await answerTo('odd-refusal', 'Say it')
    expect(refused.reply.content).toEqual([{ type: 'refusal', text: 'No\u{1f600}' }])
    const call = { id: 'call\u0000_1', name: 'lo\u0000ok', pieces: ['{"at":"\ud83d', '\ude00\u0000"}'] }
    upstream.behaves('odd-call', callsTools([call]))
    const { reply, told } = await answerTo('odd-call', 'Look')
    const args = '{"at":"\u{1f600}"}'
    expect(reply.content).toEqual([{ type: 'tool_call', call_id: 'call_1', name: 'look', arguments: args }])
    expect(told('tool_call.delta', 'arguments')).toBe(args)
  })

  test('takes nothing from those who search', async () => {
    upstream.behaves('odd', says(['An odd\u0000ity \ud83d']))
    await answerTo('odd', 'Say it')
    expect(await found(server, 'oddity')).toBe(1)
  })
})

test('what was kept before with such characters is searched like any other', async () => {
  const database = await createDatabase()
  let old = await startServer({ DATABASE_URL: database.url })
  const id = await old.begin()
  await old.post(`/v1/interactions/${id}/messages`, { role: 'AI', content: 'C:\\u0000 is a path' })
  await old.stop()
  const storage = await database.open()
  const row = await storage.db.selectFrom('messages').select('content_json').executeTakeFirstOrThrow()
  const content = JSON.parse(row.content_json) as Json[]
  content.push({ type: 'text', text: 'an old\u0000 od\ud83ddity' })
  const odd = { content_json: JSON.stringify(content) }
  await storage.write(async (tx) => void (await tx.updateTable('messages').set(odd).execute()))
  await storage.close()
  old = await startServer({ DATABASE_URL: database.url })
  expect(await found(old, 'an old')).toBe(1)
  expect(await found(old, '\\u0000 is')).toBe(1)
  expect(await found(old, 'an ode')).toBe(0)
  await old.stop()
  await database.remove()
})
