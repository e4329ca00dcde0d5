import { OpenAI } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
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
const thought = (...texts: string[]) => ({
  type: 'reasoning' as const,
  id: 'rs_x',
  summary: texts.map((text) => ({ type: 'summary_text' as const, text })),
})
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

describe('items are added as they were given', () => {
  test('two thoughts are two, and what is summed up in two is not glued', async () => {
    const { id } = await openai.conversations.create()
    const items = [thought('One', 'two'), thought('Three'), assistant('So.'), assistant('And so.')]
    const added = await openai.conversations.items.create(id, { items })
    expect(added.data).toMatchObject([
      { summary: [{ text: 'One' }, { text: 'two' }] },
      { summary: [{ text: 'Three' }] },
      { content: [{ text: 'So.' }] },
      { content: [{ text: 'And so.' }] },
    ])
    expect(await itemsOf(id)).toEqual(added.data)
  })

  test.each<[name: string, item: object]>([
    ['a user who says nothing', user('')],
    ['a user who says nothing in parts', { role: 'user', content: [{ type: 'input_text', text: '' }] }],
    ['a system that says nothing', { role: 'system', content: '' }],
    ['an assistant that says nothing', assistant('')],
    ['a thought of nothing', thought()],
  ])('or all of them are refused: %s', async (_, item) => {
    const given = { items: [user('Hi'), item] }
    const error = { status: 400, param: 'items[1].content', code: 'invalid_value' }
    const { id } = await openai.conversations.create()
    await expect(openai.conversations.items.create(id, given as never)).rejects.toMatchObject(error)
    expect(await itemsOf(id)).toEqual([])
    await expect(openai.conversations.create(given as never)).rejects.toMatchObject(error)
  })
})

describe('an item that is only named', () => {
  const picture = 'data:image/png;base64,iVBORw0KGgo='
  const everything = [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'input_text', text: 'What colour?' },
        { type: 'input_image', image_url: picture, detail: 'low' },
      ],
    },
    thought('Let me', 'look'),
    call,
    { ...call, call_id: 'call_2' },
    result,
    { ...result, call_id: 'call_2' },
    { role: 'assistant', content: 'Blue.', phase: 'final_answer' },
    { role: 'assistant', content: 'Or so.' },
  ]

  /** Without what is another's: an id is of one item only. */
  const bare = (items: Json[]) => items.map(({ id, ...item }) => item)

  test('is said once more, whatever it is and whoever said it', async () => {
    const from = await openai.conversations.create({ items: everything as never })
    const items = await itemsOf(from.id)
    expect(items).toHaveLength(everything.length)
    const references = items.map((item) => ({ type: 'item_reference' as const, id: idOf(item) }))
    const to = await openai.conversations.create()
    const added = await openai.conversations.items.create(to.id, { items: references })
    expect(bare(added.data)).toEqual(bare(items))
    const { id } = await openai.responses.create({ input: [...references, user('So?')] })
    const input = await Array.fromAsync(openai.responses.inputItems.list(id, { order: 'asc' }))
    expect(bare(input).slice(0, -1)).toEqual(bare(items))
  })

  test('may be part of an answer, and be named without a type', async () => {
    const { answer } = await answered()
    const to = await openai.conversations.create()
    for (const item of answer) {
      const { status, body } = await parley.post(`/v1/conversations/${to.id}/items`, {
        items: [{ id: item.id }, { id: item.id, type: null }],
      })
      expect([status, bare(body.data)]).toEqual([200, bare([item, item])])
    }
  })

  test('is found by the id under which it was told after a crash', async () => {
    const { id, answer } = await answered()
    for (const item of answer) {
      const told = `${idOf(item)}_r2`
      expect((await parley.get(`/v1/conversations/${id}/items/${told}`)).body).toEqual(item)
      const results = item.type === 'function_call' ? [{ ...result, call_id: item.call_id }] : []
      const response = await openai.responses.create({
        input: [{ type: 'item_reference', id: told }, ...results, user('?')],
      })
      const input = await Array.fromAsync(openai.responses.inputItems.list(response.id, { order: 'asc' }))
      expect(bare(input)[0]).toEqual(bare([item])[0])
    }
    const after = `${idOf(answer[4] as Item)}_r3`
    const rest = await openai.conversations.items.list(id, { order: 'asc', after })
    expect(rest.data).toEqual([answer[5]])
  })

  test('is not found where there is none such', async () => {
    const { question, answer } = await answered()
    const digits = idOf(question).replace('msg_', '')
    const wrong = [`rs_${digits}`, `msg_${digits}_1`, `${idOf(answer[5] as Item)}2`, `fco_${'0'.repeat(32)}`]
    for (const id of wrong) {
      const input = [{ type: 'item_reference' as const, id }]
      await expect(openai.responses.create({ input })).rejects.toMatchObject({
        status: 404,
        param: 'input[0].id',
      })
    }
  })
})

describe('an item is corrected', () => {
  test('by what it is shown as', async () => {
    const { id } = await openai.conversations.create({
      items: [user('Hallo'), { role: 'system', content: 'Be brief.' }, assistant('Yes.'), call, result],
    })
    for (const item of (await itemsOf(id)) as Json[]) {
      const field = { message: 'content', function_call: 'arguments', function_call_output: 'output' }
      const own = field[item.type as keyof typeof field]
      const { status, body } = await parley.post(pathOf(id, item), { [own]: item[own] })
      expect([status, body]).toEqual([200, item])
    }
  })

  test('by what an assistant says, or refuses to say', async () => {
    const { id } = await openai.conversations.create({ items: [assistant('Yes.')] })
    const [item] = (await itemsOf(id)) as [Item]
    const content = [
      { type: 'output_text', text: 'Well.', annotations: [] },
      { type: 'refusal', refusal: 'I would rather not.' },
    ]
    expect((await parley.post(pathOf(id, item), { content })).body).toMatchObject({ id: item.id, content })
  })

  test.each<[name: string, change: object, error: object]>([
    ['of two kinds of fields', { content: 'Hi', output: 'x' }, { param: null }],
    ['of no field', {}, { param: null }],
  ])('by one thing at a time: not %s', async (_, change, error) => {
    const { id } = await openai.conversations.create({ items: [user('Hallo')] })
    const [item] = (await itemsOf(id)) as [Item]
    const { status, body } = await parley.post(pathOf(id, item), change)
    expect([status, body.error]).toEqual([400, expect.objectContaining(error)])
    expect(body.error.message).toContain(
      'give one of content (of a message), arguments (of a call) and output',
    )
  })

  test.each<[name: string, item: object, content: Json, param: string]>([
    ['the words of a model to a user', user('Hi'), [{ type: 'output_text', text: 'x' }], 'content[0].type'],
    [
      'pictures to an assistant',
      assistant('Hi'),
      [{ type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=' }],
      'content[0].type',
    ],
    ['nothing to anybody', assistant('Hi'), [{ type: 'output_text', text: '' }], 'content'],
    ['what nobody knows', user('Hi'), [{ type: 'input_audio' }], 'content[0].type'],
  ])('by what is for it to say: not %s', async (_, item, content, param) => {
    const { id } = await openai.conversations.create({ items: [item as never] })
    const [made] = (await itemsOf(id)) as [Item]
    const { status, body } = await parley.post(pathOf(id, made), { content })
    expect([status, body.error.param], JSON.stringify(body)).toEqual([400, param])
  })
})
