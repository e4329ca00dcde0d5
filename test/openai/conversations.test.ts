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
const uuidOf = (id: string) =>
  id.replace('conv_', '').replace(/^(.{8})(.{4})(.{4})(.{4}).*/, '$1-$2-$3-$4-') + id.slice(-12)

describe('a conversation', () => {
  test('is made, read, changed and deleted', async () => {
    const made = await openai.conversations.create({ metadata: { topic: 'demo' } })
    expect(made).toMatchObject({
      id: expect.stringMatching(/^conv_[0-9a-f]{32}$/),
      object: 'conversation',
      metadata: { topic: 'demo' },
    })
    expect(await openai.conversations.retrieve(made.id)).toEqual(made)
    const changed = await openai.conversations.update(made.id, { metadata: { topic: 'other' } })
    expect(changed).toEqual({ ...made, metadata: { topic: 'other' } })
    expect(await openai.conversations.delete(made.id)).toEqual({
      id: made.id,
      object: 'conversation.deleted',
      deleted: true,
    })
    await expect(openai.conversations.retrieve(made.id)).rejects.toThrow(OpenAI.NotFoundError)
  })

  test('has what answers in it by default', async () => {
    upstream.behaves('other', says(['I am other.']))
    const given = { title: 'Mine', model: 'lab/other', instructions: 'Be kind.' }
    const { status, body } = await parley.post('/v1/conversations', given)
    expect([status, body]).toEqual([200, expect.objectContaining(given)])
    const response = await openai.responses.create({ conversation: body.id, input: 'Who?' })
    expect([response.model, response.output_text]).toEqual(['lab/other', 'I am other.'])
    expect((await upstream.asked('other')).body.messages[0]).toEqual({ role: 'system', content: 'Be kind.' })
    const changed = await parley.post(`/v1/conversations/${body.id}`, { title: null, instructions: null })
    expect(changed.body).toMatchObject({ title: null, instructions: null, model: 'lab/other' })
  })

  test('is an interaction, and goes on through every door', async () => {
    const { id } = await openai.conversations.create({ items: [user('One')] })
    expect((await openai.responses.create({ conversation: id, input: 'Two' })).output_text).toBe(
      'You said: Two',
    )
    await parley.say(uuidOf(id), 'Three')
    const items = await Array.fromAsync(openai.conversations.items.list(id, { order: 'asc' }))
    const texts = items.map((item) => (item.type === 'message' ? item.content[0] : undefined))
    expect(texts).toMatchObject([
      { type: 'input_text', text: 'One' },
      { type: 'input_text', text: 'Two' },
      { type: 'output_text', text: 'You said: Two' },
      { type: 'input_text', text: 'Three' },
      { type: 'output_text', text: 'You said: Three' },
    ])
    const native = await parley.get(`/v1/interactions/${uuidOf(id)}/messages`)
    expect(native.body.data).toHaveLength(5)
  })

  test('is found by its title, its metadata and what was said, page by page', async () => {
    const begin = async (body: object) => (await parley.post('/v1/conversations', body)).body.id as string
    const made = [
      await begin({ title: 'About 100% Zebras' }),
      await begin({ metadata: { animal: 'zebras' } }),
      await begin({ items: [user('Tell me of "Zebras".')] }),
    ]
    const other = await begin({ title: 'text', items: [user('horses')] })
    const list = async (query: Record<string, string>) => {
      const { status, body } = await parley.get(`/v1/conversations?${new URLSearchParams(query).toString()}`)
      expect(status).toBe(200)
      return { ...body, ids: body.data.map(({ id }: { id: string }) => id) as string[] }
    }
    expect((await list({ query: 'ZEBRAS', order: 'asc' })).ids).toEqual(made)
    expect((await list({ query: '"zebras"' })).ids).toEqual([made[2]])
    expect((await list({ query: '100%' })).ids).toEqual([made[0]])
    expect((await list({ query: '%zebras' })).ids).toEqual([])
    expect((await list({ 'metadata[animal]': 'zebras' })).ids).toEqual([made[1]])
    // What is only how it is kept is not found.
    expect((await list({ query: 'input_text' })).ids).toEqual([])
    const first = await list({ limit: '2' })
    expect([first.ids, first.has_more, first.last_id]).toEqual([[other, made[2]], true, made[2]])
    const second = await list({ limit: '2', after: first.last_id })
    expect(second.ids).toEqual([made[1], made[0]])
  })

  const foundBy = async (query: string): Promise<string[]> => {
    const { body } = await parley.get(`/v1/conversations?${new URLSearchParams({ query }).toString()}`)
    return body.data.map(({ id }: { id: string }) => id)
  }

  test('is found by its own words, in capitals or not, in every script', async () => {
    const words = 'ÜBER die Straße, ΟΔΟΣΗΜΑ, ЖУК, İzmir'
    const { id } = await openai.conversations.create({ items: [user(words)] })
    const titled = (await parley.post('/v1/conversations', { title: 'Žluťoučký KŮŇ' })).body.id
    for (const query of [words, 'ÜBER', 'über', 'ΟΔΟΣ', 'οδοσημα', 'жук', 'İzmir'])
      expect(await foundBy(query), query).toEqual([id])
    for (const query of ['ŽLUŤOUČKÝ', 'kůň']) expect(await foundBy(query), query).toEqual([titled])
  })

  test('is found by its calls, what came of them, and its files', async () => {
    const call = { type: 'function_call' as const, name: 'fetch_forecast', arguments: '{"place":"Timbuktu"}' }
    const output = { type: 'function_call_output' as const }
    const shade = { type: 'input_text' as const, text: 'in the Shade' }
    const pdf = 'data:application/pdf;base64,JVBERi0='
    const file = { type: 'input_file' as const, filename: 'caravan.pdf', file_data: pdf }
    const { id } = await openai.conversations.create({
      items: [
        { role: 'user', content: [file] },
        { ...call, call_id: 'call_1' },
        { ...output, call_id: 'call_1', output: '{"degrees":"forty-one"}' },
        { ...call, call_id: 'call_2' },
        { ...output, call_id: 'call_2', output: [shade] },
      ],
    })
    for (const query of ['CARAVAN', 'fetch_f', 'timbuktu', 'Forty-One', 'the shade'])
      expect(await foundBy(query), query).toEqual([id])
    // Neither what is only how it is kept, nor what it would take to read the file.
    for (const query of ['call_1', 'tool_result', 'JVBERi0']) expect(await foundBy(query), query).toEqual([])
  })

  test.each([
    ['another kind', 'resp_0189', 400],
    ['nothing', 'conv_nothing', 404],
    ['nobody', `conv_${'0'.repeat(32)}`, 404],
  ])('is not found by the id of %s', async (_, id, status) => {
    const error = { status, type: 'invalid_request_error' }
    await expect(openai.conversations.retrieve(id)).rejects.toMatchObject(error)
    await expect(openai.conversations.update(id, { metadata: {} })).rejects.toMatchObject(error)
    await expect(openai.conversations.delete(id)).rejects.toMatchObject(error)
    await expect(openai.conversations.items.list(id)).rejects.toMatchObject(error)
    await expect(openai.conversations.items.create(id, { items: [user('Hi')] })).rejects.toMatchObject(error)
  })

  test.each([
    ['is not there', `conv_${'0'.repeat(32)}`],
    ['cannot be', 'conv_nothing'],
  ])('that a response names and that %s is told by what named it', async (_, conversation) => {
    for (const named of [conversation, { id: conversation }]) {
      await expect(openai.responses.create({ conversation: named, input: 'Hi' })).rejects.toMatchObject({
        status: 404,
        param: 'conversation',
        code: 'not_found',
        message: `404 Conversation with id '${conversation}' not found.`,
      })
    }
  })

  test('is made once, however often its request comes', async () => {
    const headers = { 'idempotency-key': 'a conversation' }
    const body = { items: [user('Once')] }
    const first = await parley.request('POST', '/v1/conversations', body, headers)
    const again = await parley.request('POST', '/v1/conversations', body, headers)
    expect(again.body).toEqual(first.body)
    const more = { 'idempotency-key': 'an item' }
    const path = `/v1/conversations/${first.body.id}/items`
    const added = await parley.request('POST', path, { items: [user('A'), user('B')] }, more)
    expect((await parley.request('POST', path, { items: [user('A'), user('B')] }, more)).body).toEqual(
      added.body,
    )
    expect((await parley.get(path)).body.data).toHaveLength(3)
  })

  test('that is asked again for items of which one is deleted has what is left of them', async () => {
    const { id } = await openai.conversations.create()
    const path = `/v1/conversations/${id}/items`
    const add = () =>
      parley.request('POST', path, { items: [user('A'), user('B')] }, { 'idempotency-key': 'two items' })
    const [first, second] = (await add()).body.data
    await openai.conversations.items.delete(first.id, { conversation_id: id })
    const again = await add()
    expect([again.status, again.body.data]).toEqual([200, [second]])
    await openai.conversations.items.delete(second.id, { conversation_id: id })
    expect((await add()).body).toMatchObject({ data: [], first_id: null, has_more: false })
  })
})

describe('the items of a conversation', () => {
  const call = { type: 'function_call' as const, call_id: 'call_1', name: 'look', arguments: '{"at":"sky"}' }
  const output = { type: 'function_call_output' as const, call_id: 'call_1', output: 'blue' }

  test('are added, listed page by page and read', async () => {
    const { id } = await openai.conversations.create()
    const picture = 'data:image/png;base64,iVBORw0KGgo='
    const added = await openai.conversations.items.create(id, {
      items: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What colour?' },
            { type: 'input_image', image_url: picture, detail: 'low' },
          ],
        },
        { type: 'reasoning', id: 'rs_x', summary: [{ type: 'summary_text', text: 'Let me look.' }] },
        call,
        { ...call, call_id: 'call_2' },
        output,
        { role: 'assistant', content: 'Blue.' },
      ],
    })
    expect(added.data).toMatchObject([
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'What colour?' },
          { type: 'input_image', image_url: picture, detail: 'low' },
        ],
      },
      { type: 'reasoning', summary: [{ text: 'Let me look.' }] },
      call,
      { ...call, call_id: 'call_2' },
      output,
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Blue.' }] },
    ])
    const ids = added.data.map((item) => item.id)
    expect(new Set(ids).size).toBe(6)
    for (const limit of [1, 2, 4, 100]) {
      const listed = await Array.fromAsync(openai.conversations.items.list(id, { order: 'asc', limit }))
      expect(listed).toEqual(added.data)
      const newest = await Array.fromAsync(openai.conversations.items.list(id, { limit }))
      expect(newest).toEqual(added.data.toReversed())
    }
    for (const item of added.data) {
      expect(await openai.conversations.items.retrieve(item.id ?? '', { conversation_id: id })).toEqual(item)
    }
  })

  test('are corrected in their place', async () => {
    const { id } = await openai.conversations.create({
      items: [user('Hallo'), call, output, { role: 'assistant', content: 'Blue.' }],
    })
    const items = await Array.fromAsync(openai.conversations.items.list(id, { order: 'asc' }))
    const [question, called, result, answer] = items.map((item) => `/v1/conversations/${id}/items/${item.id}`)
    expect((await parley.post(question ?? '', { content: 'Hello' })).body.content).toMatchObject([
      { type: 'input_text', text: 'Hello' },
    ])
    expect((await parley.post(called ?? '', { arguments: '{}' })).body).toMatchObject({
      ...call,
      arguments: '{}',
    })
    expect((await parley.post(result ?? '', { output: 'grey' })).body).toMatchObject({ output: 'grey' })
    expect((await parley.post(answer ?? '', { content: 'Grey.' })).body).toMatchObject({
      role: 'assistant',
      content: [{ type: 'output_text', text: 'Grey.' }],
    })
    const now = await Array.fromAsync(openai.conversations.items.list(id, { order: 'asc' }))
    expect(now.map((item) => item.id)).toEqual(items.map((item) => item.id))
    await openai.responses.create({ conversation: id, input: 'And now?' })
    const { body } = upstream.requests.at(-1) ?? { body: { messages: [] } }
    expect(JSON.stringify(body.messages)).toContain('Grey.')
    expect(JSON.stringify(body.messages)).not.toContain('Hallo')
    const wrong = await parley.post(question ?? '', { output: 'x' })
    expect([wrong.status, wrong.body.error.param]).toEqual([400, 'output'])
  })

  test('are deleted one by one', async () => {
    const { id } = await openai.conversations.create({
      items: [user('Hi'), { role: 'assistant', content: 'Yes.' }, call],
    })
    const [question, answer, called] = await Array.fromAsync(
      openai.conversations.items.list(id, { order: 'asc' }),
    )
    for (const [item, left] of [
      [question, [answer, called]],
      [called, [answer]],
      [answer, []],
    ] as const) {
      const conversation = await openai.conversations.items.delete(item?.id ?? '', { conversation_id: id })
      expect(conversation).toMatchObject({ id, object: 'conversation' })
      expect(await Array.fromAsync(openai.conversations.items.list(id, { order: 'asc' }))).toEqual(left)
    }
  })

  test('of one conversation are not those of another', async () => {
    const one = await openai.conversations.create({ items: [user('One')] })
    const other = await openai.conversations.create()
    const [item] = (await openai.conversations.items.list(one.id)).data
    const itemId = item?.id ?? ''
    const at = { conversation_id: other.id }
    await expect(openai.conversations.items.retrieve(itemId, at)).rejects.toThrow(OpenAI.NotFoundError)
    await expect(openai.conversations.items.delete(itemId, at)).rejects.toThrow(OpenAI.NotFoundError)
    await expect(openai.conversations.items.list(other.id, { after: itemId })).rejects.toThrow()
    const path = `/v1/conversations/${other.id}/items/${itemId}`
    expect((await parley.post(path, { content: 'x' })).status).toBe(404)
  })

  test.each([
    ['too many', Array.from({ length: 21 }, () => user('x')), 'items'],
    ['none', [], 'items'],
    [
      'a kind that is not known here',
      [{ type: 'web_search_call', id: 'ws_1', status: 'completed' }],
      'items[0].type',
    ],
  ])('that are %s are refused', async (_, items, param) => {
    const { id } = await openai.conversations.create()
    const asked = openai.conversations.items.create(id, { items: items as never })
    await expect(asked).rejects.toMatchObject({ status: 400, param })
  })
})
