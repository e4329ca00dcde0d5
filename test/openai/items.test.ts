import { OpenAI } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { echoes, says, startUpstream, type Upstream } from '../support/upstream.ts'

let parley: TestServer
let upstream: Upstream
let openai: OpenAI
beforeAll(async () => {
  upstream = await startUpstream()
  upstream.behaves('echo', echoes())
  const calls = ['one', 'two'].map((id, index) => ({
    tool_calls: [{ index, id, type: 'function', function: { name: 'look', arguments: `{"at":"${id}"}` } }],
  }))
  const said = [
    { content: 'First.' },
    { reasoning_content: 'Hm' },
    { content: 'Second.' },
    { reasoning_content: 'So' },
    ...calls,
  ]
  upstream.behaves('talker', says([], { before: said, reason: 'tool_calls' }))
  parley = await startServer({
    PROVIDERS: JSON.stringify({ lab: { base_url: upstream.url } }),
    DEFAULT_MODEL: 'lab/echo',
  })
  openai = openAiClient(parley)
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

const user = (content: string) => ({ type: 'message' as const, role: 'user' as const, content })
const assistant = (content: string) => ({ type: 'message' as const, role: 'assistant' as const, content })
const call = { type: 'function_call' as const, call_id: 'call_1', name: 'look', arguments: '{}' }
const result = { type: 'function_call_output' as const, call_id: 'call_1', output: 'blue' }

type Item = OpenAI.Conversations.ConversationItem
const idOf = ({ id }: Item) => id ?? ''
const itemsOf = (id: string) => Array.fromAsync(openai.conversations.items.list(id, { order: 'asc' }))
const pathOf = (conversation: string, item: Item) => `/v1/conversations/${conversation}/items/${idOf(item)}`

/** A conversation in which a model said a text, a thought, a text, a thought and two calls in one answer. */
async function answered() {
  const { id } = await openai.conversations.create({ metadata: {} })
  await openai.responses.create({ conversation: id, model: 'lab/talker', input: 'Go on' })
  const [question, ...answer] = await itemsOf(id)
  if (!question) throw new Error('nothing was asked')
  return { id, question, answer }
}

describe('the id of an item', () => {
  test('is that of the same item whatever goes before it', async () => {
    const { id, question, answer } = await answered()
    expect(answer.map(({ type }) => type)).toEqual([
      'message',
      'reasoning',
      'message',
      'reasoning',
      'function_call',
      'function_call',
    ])
    // From the front, each of them is not the first of its kind any more when its turn comes.
    for (let gone = 0; gone < answer.length; gone += 1) {
      const path = pathOf(id, answer[gone] as Item)
      expect((await parley.request('DELETE', path)).status).toBe(200)
      // Whoever lost the answer to that deletes it once more, and nothing else.
      expect((await parley.request('DELETE', path)).status).toBe(404)
      expect((await parley.get(path)).status).toBe(404)
      const left = answer.slice(gone + 1)
      expect(await itemsOf(id)).toEqual([question, ...left])
      for (const item of left) expect((await parley.get(pathOf(id, item))).body).toEqual(item)
    }
  })

  test('is that of the same item whatever goes between it and others', async () => {
    const { id, question, answer } = await answered()
    const [first, thinking, second, ...rest] = answer as [Item, Item, Item, ...Item[]]
    await openai.conversations.items.delete(idOf(thinking), { conversation_id: id })
    expect(await itemsOf(id)).toEqual([question, first, second, ...rest])
    const changed = await parley.post(pathOf(id, second), { content: 'Changed.' })
    expect(changed.body).toMatchObject({ id: second.id, content: [{ text: 'Changed.' }] })
    expect((await parley.post(pathOf(id, thinking), { content: 'x' })).status).toBe(404)
    expect(await itemsOf(id)).toEqual([question, first, changed.body, ...rest])
  })

  test('is that of the same result of a call', async () => {
    const { id } = await openai.conversations.create({
      items: [call, { ...call, call_id: 'call_2' }, result, { ...result, call_id: 'call_2' }],
    })
    const [, , one, two] = (await itemsOf(id)) as [Item, Item, Item, Item]
    await parley.request('DELETE', pathOf(id, one))
    expect((await parley.request('DELETE', pathOf(id, one))).status).toBe(404)
    expect((await parley.post(pathOf(id, two), { output: 'grey' })).body).toMatchObject({
      id: two.id,
      call_id: 'call_2',
      output: 'grey',
    })
  })

  test('is nothing that other doors show', async () => {
    const { id, answer } = await answered()
    await parley.request('DELETE', pathOf(id, answer[0] as Item))
    const digits = id.replace('conv_', '').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    const { data } = (await parley.get(`/v1/interactions/${digits}/messages`)).body
    expect(data[1].content).toEqual([
      { type: 'reasoning', text: 'Hm' },
      { type: 'text', text: 'Second.' },
      { type: 'reasoning', text: 'So' },
      { type: 'tool_call', call_id: 'one', name: 'look', arguments: '{"at":"one"}' },
      { type: 'tool_call', call_id: 'two', name: 'look', arguments: '{"at":"two"}' },
    ])
  })

  test('goes with the item, also where two are deleted at the same time', async () => {
    const { id } = await openai.conversations.create({ items: [user('Hi'), assistant('Yes.'), call] })
    const [question, ...both] = await itemsOf(id)
    await Promise.all(both.map((item) => parley.request('DELETE', pathOf(id, item))))
    expect(await itemsOf(id)).toEqual([question])
    const digits = id.replace('conv_', '').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    expect((await parley.get(`/v1/interactions/${digits}/messages`)).body.data).toHaveLength(1)
  })
})
