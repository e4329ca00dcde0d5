import { once } from 'node:events'
import type { OpenAI } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Json } from '../support/client.ts'
import { openAiClient } from '../support/openai.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { hangs, holdsBack, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let client: OpenAI

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/echo' })
  // What was delivered to a client that counts its tries stays for a while.
  client = openAiClient(server, { defaultHeaders: { 'x-stainless-retry-count': null } })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

let models = 0
const newModel = () => `model-${(models += 1)}`

type Response = OpenAI.Responses.Response
type Request = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'input'>

const ask = (input: string, more: Request = {}) => client.responses.create({ input, ...more })
const follow = (previous: Response, input: string, more: Request = {}) =>
  ask(input, { previous_response_id: previous.id, ...more })

const uuidIn = (id: string) =>
  id.slice(id.indexOf('_') + 1).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** The message of a response, as the native API shows it. */
const messageOf = async ({ id }: Pick<Response, 'id'>): Promise<Json> =>
  (await server.get(`/v1/messages/${uuidIn(id)}`)).body
const interactionOf = async (response: Pick<Response, 'id'>): Promise<string> =>
  (await messageOf(response)).interaction_id
const listed = async (): Promise<string[]> => {
  const { data, has_more: hasMore } = (await server.get('/v1/interactions?limit=100')).body
  if (hasMore) throw new Error('there are more than a page')
  return data.map(({ id }: Json) => id)
}
/** All there is of an interaction. */
const allOf = async (id: string): Promise<Json> => ({
  interaction: (await server.get(`/v1/interactions/${id}`)).body,
  messages: (await server.get(`/v1/interactions/${id}/messages?limit=100`)).body,
  branches: (await server.get(`/v1/interactions/${id}/branches`)).body,
})
const textsIn = async (id: string) => (await allOf(id)).messages.data.map(({ text }: Json): string => text)
const toldTo = async (model: string, count = 1) =>
  (await upstream.asked(model, count)).body.messages.map(({ content }) => content)
const ended = (id: string) =>
  until('ended', async () => {
    const now = await client.responses.retrieve(id)
    return now.status !== 'queued' && now.status !== 'in_progress' && now
  })

/** A conversation with a title and labels in which One was answered. */
async function talk(more: object = {}) {
  const settings = { title: 'Mine', metadata: { user: 'alice' }, ...more }
  const conversation: string = (await server.post('/v1/conversations', settings)).body.id
  return { conversation, id: uuidIn(conversation), one: await ask('One', { conversation }) }
}

describe('a response that follows one of a conversation', () => {
  test('is told what was said, and changes nothing of the conversation', async () => {
    const model = newModel()
    const { id, one } = await talk({ instructions: 'Be kind.' })
    const before = await allOf(id)
    const other = await follow(one, 'Or else', { model: `openai/${model}` })
    expect(other).toMatchObject({
      status: 'completed',
      conversation: null,
      previous_response_id: one.id,
      output_text: 'You said: Or else',
    })
    expect(await toldTo(model)).toEqual(['Be kind.', 'One', 'You said: One', 'Or else'])
    expect(await allOf(id)).toEqual(before)
    const input = await client.responses.inputItems.list(other.id)
    expect(input.data).toMatchObject([{ content: [{ text: 'Or else' }] }])
  })

  test('is not taken for that conversation in lists, and answered as in that', async () => {
    const { id, one } = await talk({ model: 'openai/other', instructions: 'Be kind.' })
    const own = await interactionOf(await follow(one, 'Or else'))
    expect(own).not.toBe(id)
    const { body } = await server.get(`/v1/interactions/${own}`)
    expect(body).toMatchObject({ title: null, metadata: {}, model: 'openai/other', prompt: 'Be kind.' })
    const found = await server.get('/v1/conversations?metadata[user]=alice&limit=100')
    expect(found.body.data.map((each: Json) => uuidIn(each.id))).not.toContain(own)
  })

  test('goes on where it is itself, as long as nobody else does', async () => {
    const { id, one } = await talk()
    const two = await follow(one, 'Two')
    const three = await follow(two, 'Three')
    expect(await interactionOf(three)).toBe(await interactionOf(two))
    expect(await interactionOf(two)).not.toBe(id)
    expect(await textsIn(id)).toEqual(['One', 'You said: One'])
  })

  test('and is not to be stored leaves no trace', async () => {
    const { id, one } = await talk()
    const before = [await allOf(id), await listed()]
    const secret = await follow(one, 'Secret', { store: false })
    expect(secret.output_text).toBe('You said: Secret')
    await until('gone', async () => (await messageOf(secret)).code === 'not_found')
    expect([await allOf(id), await listed()]).toEqual(before)
  })

  test('may follow what was said through another door, and is answered by as many models', async () => {
    const model = newModel()
    const id = await server.begin({ model: ['openai/echo', 'openai/other'] })
    const { reply } = await server.say(id, 'One')
    const before = await allOf(id)
    const one = { id: `resp_${reply.id.replaceAll('-', '')}` } as Response
    const own = await interactionOf(await follow(one, 'Two', { model: `openai/${model}` }))
    expect(await toldTo(model)).toEqual(['One', 'You said: One', 'Two'])
    expect(await allOf(id)).toEqual(before)
    const { body } = await server.get(`/v1/interactions/${own}`)
    expect(body.models).toEqual(['openai/echo', 'openai/other'])
  })
})

describe('a response that follows one of no conversation', () => {
  test('goes on in its place; the next ones have places of their own, where nobody waits for another', async () => {
    const slow = newModel()
    upstream.behaves(slow, hangs())
    const one = await ask('One')
    const background = { model: `openai/${slow}`, background: true }
    const two = await follow(one, 'Two', background)
    await upstream.asked(slow)
    const three = await follow(one, 'Three', background)
    await upstream.asked(slow, 2)
    const four = await follow(one, 'Four')
    expect(four.output_text).toBe('You said: Four')
    const [first, ...others] = await Promise.all([one, two, three, four].map(interactionOf))
    expect(others[0]).toBe(first)
    expect(new Set(others).size).toBe(3)
    for (const { id } of [two, three]) await client.responses.cancel(id)
  })

  test('is one of many at the same time, of which one goes on in its place', async () => {
    const one = await ask('One')
    const id = await interactionOf(one)
    const inputs = Array.from({ length: 6 }, (_, number) => `Way ${number}`)
    const all = await Promise.all(inputs.map((input) => follow(one, input)))
    expect(all.map(({ output_text: text }) => text)).toEqual(inputs.map((input) => `You said: ${input}`))
    const places = await Promise.all(all.map(interactionOf))
    expect(new Set(places).size).toBe(6)
    expect(places.filter((place) => place === id)).toHaveLength(1)
    for (const [index, place] of places.entries()) {
      const texts = ['One', 'You said: One', inputs[index], `You said: ${inputs[index]}`]
      expect(await textsIn(place)).toEqual(texts)
    }
    expect((await allOf(id)).branches.data).toEqual([])
  })

  test('does not go on in its place once somebody else said something there', async () => {
    const one = await ask('One')
    const id = await interactionOf(one)
    await server.say(id, 'Two')
    const before = await allOf(id)
    await follow(one, 'Or else')
    expect(await allOf(id)).toEqual(before)
  })

  test('goes on behind what is left, where what followed was deleted', async () => {
    const one = await ask('One')
    await client.responses.delete((await follow(one, 'Two')).id)
    expect(await interactionOf(await follow(one, 'Three'))).toBe(await interactionOf(one))
  })

  test('does not go on in the copy that somebody made of it', async () => {
    const one = await ask('One')
    const { id } = (await server.post(`/v1/interactions/${await interactionOf(one)}/fork`, {})).body
    const before = await allOf(id)
    const copy = { id: `resp_${before.messages.data[1].id.replaceAll('-', '')}` } as Response
    await follow(copy, 'Two')
    await client.responses.delete(copy.id)
    expect(await allOf(id)).toEqual(before)
  })

  test('is made once for one key, however often and when that comes', async () => {
    const { one } = await talk()
    const before = new Set(await listed())
    const body = { previous_response_id: one.id, input: 'Once' }
    const send = () => server.request('POST', '/v1/responses', body, { 'idempotency-key': `once ${one.id}` })
    const answers = [...(await Promise.all([send(), send(), send()])), await send()]
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1)
    expect((await listed()).filter((id) => !before.has(id))).toHaveLength(1)
  })
})

describe('a response that follows one that is still being made', () => {
  /** A conversation in which an answer waits until `goOn`. */
  async function talkSlowly(more: object = {}) {
    const model = newModel()
    const { behaviour, goOn } = holdsBack(['A '], ['b'])
    upstream.behaves(model, behaviour)
    const begun = await talk(more)
    const { conversation } = begun
    const slow = await ask('Slow', { conversation, model: `openai/${model}`, background: true })
    await upstream.asked(model)
    return { ...begun, slow, goOn }
  }

  test.each(['queue', 'reject', 'interrupt', 'rollback'])(
    'waits for it, and the conversation goes its own way: where others %s',
    async (policy) => {
      const model = newModel()
      const { id, conversation, slow, goOn } = await talkSlowly()
      await server.request('PATCH', `/v1/interactions/${id}`, { on_busy: policy })
      const other = await follow(slow, 'Or else', { model: `openai/${model}`, background: true })
      // Its model was asked before that was durable.
      expect(['queued', 'in_progress']).toContain((await client.responses.retrieve(slow.id)).status)
      goOn()
      expect((await ended(other.id)).output_text).toBe('You said: Or else')
      expect(await toldTo(model)).toEqual(['One', 'You said: One', 'Slow', 'A b', 'Or else'])
      expect((await client.responses.retrieve(slow.id)).output_text).toBe('A b')
      await ask('On', { conversation })
      const texts = ['One', 'You said: One', 'Slow', 'A b', 'On', 'You said: On']
      expect(await textsIn(id)).toEqual(texts)
      expect((await server.get(`/v1/interactions/${id}`)).body.branch).toBe(0)
    },
  )

  test.each(['interrupt', 'rollback'])(
    'is answered, though the conversation does not wait: where others %s',
    async (policy) => {
      const { id, conversation, slow, goOn } = await talkSlowly()
      await server.request('PATCH', `/v1/interactions/${id}`, { on_busy: policy })
      const echo = { model: 'openai/echo', background: true }
      const other = await follow(slow, 'Or else', echo)
      const next = await ask('On', { conversation, ...echo })
      expect((await ended(other.id)).output_text).toBe('You said: Or else')
      expect((await ended(next.id)).output_text).toBe('You said: On')
      goOn()
    },
  )

  test('is not in the way of a conversation that is answered by then', async () => {
    const model = newModel()
    upstream.behaves(model, hangs())
    const { id, conversation, slow, goOn } = await talkSlowly()
    await server.request('PATCH', `/v1/interactions/${id}`, { on_busy: 'reject' })
    const other = await follow(slow, 'Or else', { model: `openai/${model}`, background: true })
    goOn()
    await upstream.asked(model)
    const next = await ask('On', { conversation, model: 'openai/echo', background: true })
    await client.responses.cancel(other.id)
    expect((await ended(next.id)).output_text).toBe('You said: On')
  })

  test('and is not to be stored leaves no trace of that it waited', async () => {
    const { id, slow, goOn } = await talkSlowly()
    let isAnswered = false
    const secret = follow(slow, 'Secret', { store: false, model: 'openai/echo' }).finally(() => {
      isAnswered = true
    })
    await talk()
    const before = await listed()
    expect([isAnswered, (await allOf(id)).branches.data]).toEqual([false, []])
    goOn()
    expect((await secret).output_text).toBe('You said: Secret')
    await until('gone', async () => (await messageOf(await secret)).code === 'not_found')
    const { branches, messages } = await allOf(id)
    expect([branches.data, messages.data.length, await listed()]).toEqual([[], 4, before])
  })

  test('and is not to be stored is told that there is none to follow, where that is deleted meanwhile', async () => {
    const model = newModel()
    upstream.behaves(model, hangs())
    const open = await ask('One', { model: `openai/${model}`, background: true })
    const following = follow(open, 'Two', { store: false })
    await upstream.asked(model)
    await client.responses.delete(open.id)
    await expect(following).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' })
  })

  test('of no conversation is the next one in its place', async () => {
    const model = newModel()
    const { behaviour, goOn } = holdsBack(['A '], ['b'])
    upstream.behaves(model, behaviour)
    const slow = await ask('Slow', { model: `openai/${model}`, background: true })
    const next = await follow(slow, 'Next', { model: 'openai/echo', background: true })
    goOn()
    await ended(next.id)
    expect(await textsIn(await interactionOf(slow))).toEqual(['Slow', 'A b', 'Next', 'You said: Next'])
  })
})

describe('a response that is deleted', () => {
  test.each([
    ['oldest first', [0, 1, 2, 3]],
    ['newest first', [3, 2, 1, 0]],
    ['in any order', [2, 0, 3, 1]],
  ])('takes what was copied for it along with the last of those that follow: %s', async (_, order) => {
    const { id, one } = await talk()
    const before = [await allOf(id), (await listed()).toSorted()]
    const two = await follow(one, 'Two')
    const three = await follow(two, 'Three')
    const made = [two, three, await follow(two, 'Or else'), await follow(three, 'Four')]
    for (const at of order) await client.responses.delete(made[at]?.id ?? '')
    expect([await allOf(id), (await listed()).toSorted()]).toEqual(before)
  })

  test('leaves those that others asked for in its place', async () => {
    const one = await ask('One')
    const id = await interactionOf(one)
    await server.say(id, 'Two')
    await client.responses.delete(one.id)
    expect(await textsIn(id)).toEqual(['Two', 'You said: Two'])
  })

  test('leaves all of a conversation, also where another door asked', async () => {
    const id = await server.begin()
    const { reply } = await server.say(id, 'One')
    const before = await allOf(id)
    const responseId = `resp_${reply.id.replaceAll('-', '')}`
    await client.responses.delete(responseId)
    await expect(client.responses.retrieve(responseId)).rejects.toMatchObject({ status: 404 })
    expect(await allOf(id)).toEqual(before)
  })

  test('takes no follower along that was accepted at the same time', async () => {
    for (let time = 0; time < 10; time += 1) {
      const one = await ask('One')
      const [next] = await Promise.allSettled([follow(one, 'Two'), client.responses.delete(one.id)])
      if (next.status === 'fulfilled') {
        expect(await client.responses.retrieve(next.value.id)).toEqual(next.value)
      } else expect(next.reason).toMatchObject({ status: 400, code: 'previous_response_not_found' })
    }
  })
})

describe('over one connection', () => {
  /** Asks for one response after the other. */
  async function connect() {
    const socket = new WebSocket(`${server.url}/v1/responses`)
    const events: Json[] = []
    socket.on('message', (data) => events.push(JSON.parse((data as Buffer).toString())))
    await once(socket, 'open')
    let asked = 0
    return {
      close: () => socket.close(),
      async ask(body: object): Promise<Response> {
        socket.send(JSON.stringify({ type: 'response.create', ...body }))
        asked += 1
        return until('answered', () => {
          const failed = events.find(({ type }) => type === 'error')
          if (failed) throw new Error(JSON.stringify(failed))
          return events.filter(({ type }) => type === 'response.completed')[asked - 1]?.response
        })
      },
    }
  }

  test('what is not stored goes on behind what is, turn by turn, and leaves no trace', async () => {
    const model = newModel()
    const { id, one } = await talk()
    const before = [await allOf(id), await listed()]
    const connection = await connect()
    const asked = { model: `openai/${model}`, store: false }
    const two = await connection.ask({ ...asked, input: 'Two', previous_response_id: one.id })
    const three = await connection.ask({ ...asked, input: 'Three', previous_response_id: two.id })
    expect(await toldTo(model, 2)).toEqual(['One', 'You said: One', 'Two', 'You said: Two', 'Three'])
    connection.close()
    for (const each of [two, three]) {
      await until('gone', async () => (await messageOf(each)).code === 'not_found')
    }
    expect([await allOf(id), await listed()]).toEqual(before)
  })

  test('what is not stored goes on behind what was said unstored in a conversation', async () => {
    const model = newModel()
    const { conversation, id } = await talk()
    const connection = await connect()
    const two = await connection.ask({ conversation, input: 'Two', store: false })
    const before = await allOf(id)
    const asked = { model: `openai/${model}`, store: false, previous_response_id: two.id }
    await connection.ask({ ...asked, input: 'Three' })
    expect(await toldTo(model)).toEqual(['One', 'You said: One', 'Two', 'You said: Two', 'Three'])
    connection.close()
    expect(await allOf(id)).toEqual(before)
  })
})

test('what is not to be stored stays with whoever went on with it through another door', async () => {
  const model = newModel()
  const { behaviour, goOn } = holdsBack(['A '], ['b'])
  upstream.behaves(model, behaviour)
  const stream = await client.responses.create({
    model: `openai/${model}`,
    input: 'Psst',
    store: false,
    stream: true,
  })
  let id = ''
  for await (const event of stream) {
    if (event.type === 'response.created') {
      id = await interactionOf(event.response)
      await server.post(`/v1/interactions/${id}/messages`, { content: 'I heard' })
      goOn()
    }
  }
  await until('delivered', async () => (await textsIn(id)).join() === 'I heard,A b')
  expect(await listed()).toContain(id)
})

test('more than can be copied is refused with what to do', async () => {
  const { conversation, one } = await talk()
  upstream.behaves('brief', says(['Yes']))
  const input = Array.from({ length: 2_000 }, (_, number) => ({ role: 'user', content: `${number}` }))
  const more = { conversation, input, model: 'openai/brief', truncation: 'auto' }
  let last: Json
  for (let posts = 0; posts < 5; posts += 1) last = (await server.post('/v1/responses', more)).body
  const before = await listed()
  await expect(follow(last, 'And?')).rejects.toMatchObject({
    status: 400,
    param: 'previous_response_id',
    message: expect.stringContaining('Name its conversation'),
  })
  expect(await listed()).toEqual(before)
  expect((await follow(one, 'And?')).output_text).toBe('You said: And?')
}, 60_000)
