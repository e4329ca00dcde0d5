import { OpenAI } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { echoes, fallsSilentAfter, hangs, says, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let parley: TestServer
let upstream: Upstream
let openai: OpenAI
let later = 0
beforeAll(async () => {
  upstream = await startUpstream()
  upstream.behaves('echo', echoes())
  const providers = JSON.stringify({ lab: { base_url: upstream.url } })
  parley = await startServer({ PROVIDERS: providers }, undefined, () => Date.now() + later)
  openai = openAiClient(parley)
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

const ask = (content: string, more: object = {}): Promise<OpenAI.ChatCompletion> =>
  openai.chat.completions.create({
    model: 'lab/echo',
    messages: [{ role: 'user', content }],
    store: true,
    ...more,
  })
const gone = (id: string) =>
  expect(openai.chat.completions.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError)

describe('a completion that is kept', () => {
  test('can be read, changed and deleted', async () => {
    const made = await ask('Hi', { metadata: { topic: 'greeting' } })
    expect(made.metadata).toEqual({ topic: 'greeting' })
    const read = await openai.chat.completions.retrieve(made.id)
    expect(read).toEqual({ ...made, status: 'completed', error: null })
    const changed = await openai.chat.completions.update(made.id, { metadata: { topic: 'farewell' } })
    expect(changed.metadata).toEqual({ topic: 'farewell' })
    expect((await openai.chat.completions.retrieve(made.id)).metadata).toEqual({ topic: 'farewell' })
    const deleted = await openai.chat.completions.delete(made.id)
    expect(deleted).toEqual({ object: 'chat.completion.deleted', id: made.id, deleted: true })
    await gone(made.id)
  })

  test('is gone with its answer, whatever was said behind that through another door', async () => {
    const model = 'lab/gone'
    const messages = [{ role: 'user', content: 'Hi' }]
    const asked = await parley.post('/v1/chat/completions', { model, messages, store: true })
    const { id } = asked.body
    await parley.say(asked.headers.get('x-parley-interaction') ?? '', 'And?')
    const list = async () => (await Array.fromAsync(await openai.chat.completions.list({ model }))).length
    expect((await openai.chat.completions.retrieve(id)).choices[0]?.message.content).toBe('You said: Hi')
    expect(await list()).toBe(1)
    await parley.request('DELETE', `/v1/messages/${asked.headers.get('x-parley-reply')}`)
    await gone(id)
    expect(await list()).toBe(0)
  })

  test('is listed page by page, by its metadata and its model', async () => {
    const shelf = { shelf: 'list "1"' }
    const made: string[] = []
    for (const text of ['One', 'Two', 'Three']) made.push((await ask(text, { metadata: shelf })).id)
    await ask('Four', { metadata: { shelf: 'another' } })
    const ids = async (query: OpenAI.ChatCompletionListParams) =>
      (await Array.fromAsync(openai.chat.completions.list({ limit: 2, ...query }))).map(({ id }) => id)
    expect(await ids({ metadata: shelf })).toEqual(made)
    expect(await ids({ metadata: shelf, order: 'desc' })).toEqual(made.toReversed())
    expect(await ids({ metadata: shelf, after: made[1] ?? '' })).toEqual([made[2]])
    expect(await ids({ metadata: shelf, model: 'lab/other' })).toEqual([])
    expect((await ids({})).length).toBeGreaterThan(3)
  })

  test('tells the messages that it answered, as they were sent', async () => {
    upstream.behaves('seen', says(['Yes.']))
    const picture = 'data:image/png;base64,iVBORw0KGgo='
    const call = { id: 'call_1', type: 'function' as const, function: { name: 'look', arguments: '{}' } }
    const { id } = await ask('', {
      model: 'lab/seen',
      messages: [
        { role: 'system', content: 'Look.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'This?' },
            { type: 'image_url', image_url: { url: picture } },
          ],
        },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call_1', content: 'a cat' },
        { role: 'assistant', content: null, refusal: 'I do not say.' },
        { role: 'user', content: 'Why?' },
      ],
    })
    // What is said later, elsewhere, is none of them.
    await parley.say(uuidOf(id), 'And now?')
    const list = openai.chat.completions.messages.list(id, { limit: 3 })
    const messages = await Array.fromAsync(list)
    expect(messages).toMatchObject([
      { role: 'system', content: 'Look.' },
      {
        role: 'user',
        content_parts: [
          { type: 'text', text: 'This?' },
          { type: 'image_url', image_url: { url: picture } },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: 'a cat' },
      { role: 'assistant', content: null, refusal: 'I do not say.' },
      { role: 'user', content: 'Why?' },
    ])
    const newest = await openai.chat.completions.messages.list(id, { order: 'desc', limit: 1 })
    expect([newest.data[0]?.id, newest.hasNextPage()]).toEqual([messages[5]?.id, true])
  })

  test('tells that there are no more of them, where the answer is next', async () => {
    const { id } = await ask('Alone')
    for (const order of ['asc', 'desc'] as const) {
      const { data, has_more } = await openai.chat.completions.messages.list(id, { limit: 1, order })
      expect([data.map(({ content }) => content), has_more]).toEqual([['Alone'], false])
    }
  })

  test('is an interaction like any other', async () => {
    const { id } = await ask('Hi', { metadata: { a: 'b' } })
    const { body } = await parley.get(`/v1/interactions/${uuidOf(id)}?include=messages`)
    expect(body.metadata).toEqual({ a: 'b' })
    expect(body.messages.data.map((message: { text: string }) => message.text)).toEqual([
      'Hi',
      'You said: Hi',
    ])
    const { reply } = await parley.say(uuidOf(id), 'Go on')
    expect(reply.text).toBe('You said: Go on')
    // The completion stays what it was.
    const { choices } = await openai.chat.completions.retrieve(id)
    expect(choices[0]?.message.content).toBe('You said: Hi')
  })

  test('is there before it is answered', async () => {
    upstream.behaves('slow', hangs())
    const abort = new AbortController()
    const asked = openai.chat.completions.create(
      { model: 'lab/slow', messages: [{ role: 'user', content: 'Hi' }], store: true },
      { signal: abort.signal },
    )
    await upstream.asked('slow')
    abort.abort()
    await expect(asked).rejects.toThrow(OpenAI.APIUserAbortError)
    const { data } = await openai.chat.completions.list({ model: 'lab/slow' })
    expect(data).toMatchObject([
      { status: expect.stringMatching(/^(queued|in_progress)$/), choices: [{ finish_reason: null }] },
    ])
  })

  test('that is deleted in the middle of its stream ends that with an error', async () => {
    upstream.behaves('deleted', fallsSilentAfter(['Once ']))
    const response = await fetch(`${parley.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'lab/deleted',
        messages: [{ role: 'user', content: 'Hi' }],
        stream: true,
        store: true,
      }),
    })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('Once ')) text += (await reader?.read())?.value ?? ''
    const [, id = ''] = /"id":"(chatcmpl-\w+)"/.exec(text) ?? []
    await openai.chat.completions.delete(id)
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) text += read.value
    expect(text).toMatch(/data: \{"error":\{.*"code":"removed"\}\}\n\ndata: \[DONE\]\n\n$/)
  })

  test.each([
    ['whole', false],
    ['streamed', true],
  ])('that is deleted before its first piece is gone: %s', async (how, stream) => {
    upstream.behaves(`early ${how}`, hangs())
    const asked = ask('Hi', { model: `lab/early ${how}`, stream })
    await upstream.asked(`early ${how}`)
    const { data } = await openai.chat.completions.list({ model: `lab/early ${how}` })
    await openai.chat.completions.delete(data[0]?.id ?? '')
    await expect(asked).rejects.toMatchObject({ status: 410, code: 'removed' })
  })

  test.each([
    ['is of another kind', 'resp_0189', 400, 'completion_id'],
    ['was never given', 'chatcmpl-nothing', 404, null],
    ['nothing has', `chatcmpl-${'0'.repeat(32)}`, 404, null],
  ])('is not found by an id that %s', async (_, id, status, param) => {
    const error = { status, param, type: 'invalid_request_error' }
    await expect(openai.chat.completions.retrieve(id)).rejects.toMatchObject(error)
    await expect(openai.chat.completions.delete(id)).rejects.toMatchObject(error)
    await expect(openai.chat.completions.update(id, { metadata: null })).rejects.toMatchObject(error)
    await expect(openai.chat.completions.messages.list(id)).rejects.toMatchObject(error)
  })

  test('that is listed by a field that nobody knows is refused', async () => {
    const { status, body } = await parley.get('/v1/chat/completions?colour=red')
    expect([status, body.error.param, body.error.code]).toEqual([400, 'colour', 'unknown_parameter'])
  })
})

describe('a completion that is not kept', () => {
  const pass = (content: string, headers: Record<string, string> = {}) =>
    openai.chat.completions.create({ model: 'lab/echo', messages: [{ role: 'user', content }] }, { headers })

  test.each<[door: string, goOn: (ids: { uuid: string; conversation: string }) => Promise<unknown>]>([
    [
      'a response',
      ({ conversation }) => openai.responses.create({ conversation, model: 'lab/echo', input: 'More' }),
    ],
    [
      'an item',
      ({ conversation }) =>
        openai.conversations.items.create(conversation, { items: [{ role: 'user', content: 'More' }] }),
    ],
    ['the native API', ({ uuid }) => parley.say(uuid, 'More')],
    [
      'the API of 2023',
      ({ uuid }) => parley.post(`/interactions/${uuid}/messages/`, { role: 'Human', content: 'More' }),
    ],
  ])('is kept from when somebody goes on with it: by %s', async (door, goOn) => {
    const key = { 'idempotency-key': `gone on with by ${door}` }
    const { id } = await pass('Psst', key)
    const uuid = uuidOf(id)
    await goOn({ uuid, conversation: id.replace('chatcmpl-', 'conv_') })
    // Whoever asks for it once more does not make it go.
    expect((await pass('Psst', key)).id).toBe(id)
    // When this one is gone, all are whose time is over.
    const other = uuidOf((await pass('Psst, too')).id)
    later += 25 * 3_600_000
    await parley.restart()
    await until('removed', async () => (await parley.get(`/v1/interactions/${other}`)).status === 404)
    const { data } = (await parley.get(`/v1/interactions/${uuid}/messages`)).body
    expect(data.map(({ text }: { text: string }) => text).slice(0, 3)).toEqual([
      'Psst',
      'You said: Psst',
      'More',
    ])
    const interactions = (await parley.get('/v1/interactions?limit=100')).body.data
    expect(interactions.map((each: { id: string }) => each.id)).toContain(uuid)
    openai = openAiClient(parley)
    expect(await openai.chat.completions.retrieve(id)).toMatchObject({ id })
  })

  test('is not kept by what is itself not to be stored', async () => {
    const { id } = await pass('Psst')
    const conversation = id.replace('chatcmpl-', 'conv_')
    await openai.responses.create({ conversation, model: 'lab/echo', input: 'More', store: false })
    later += 16 * 60_000
    await parley.restart()
    openai = openAiClient(parley)
    const address = `/v1/interactions/${uuidOf(id)}`
    await until('removed', async () => (await parley.get(address)).status === 404)
  })

  test('is not listed, and goes when its time is over', async () => {
    const { data, response } = await openai.chat.completions
      .create({ model: 'lab/echo', messages: [{ role: 'user', content: 'Psst' }] })
      .withResponse()
    await gone(data.id)
    const listed = await Array.fromAsync(openai.chat.completions.list())
    expect(listed.map(({ id }) => id)).not.toContain(data.id)
    const interactions = (await parley.get('/v1/interactions?limit=100')).body.data
    expect(interactions.map(({ id }: { id: string }) => id)).not.toContain(uuidOf(data.id))
    // Who lost the connection can still read it.
    const address = `/v1/messages/${response.headers.get('x-parley-reply')}`
    expect((await parley.get(address)).body.text).toBe('You said: Psst')
    await parley.restart()
    expect((await parley.get(address)).status).toBe(200)
    later += 16 * 60_000
    await parley.restart()
    await until('removed', async () => (await parley.get(address)).status === 404)
    expect((await parley.get(`/v1/interactions/${uuidOf(data.id)}`)).status).toBe(404)
  })
})

/** A completion has the digits of its interaction. */
function uuidOf(id: string): string {
  return id.replace('chatcmpl-', '').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
