import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/echo' })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

const wait = { wait_ms: 15_000 }
const again = (id: string, body: object = {}) =>
  server.post(`/v1/messages/${id}/regenerate`, { ...wait, ...body })
const edit = (id: string, content: string) => server.post(`/v1/messages/${id}/edit`, { content, ...wait })

async function list(id: string, query = ''): Promise<Json[]> {
  return (await server.get(`/v1/interactions/${id}/messages?limit=100${query}`)).body.data
}

const textsOf = (messages: Json[]) => messages.map(({ text }: Json) => text)

/** What a model was asked last, without the roles. */
const askedLast = () => upstream.requests.at(-1)?.body.messages.map(({ content }) => content)

/** One, and its answer; Two, and its answer. */
async function talk() {
  const id = await server.begin()
  const one = await server.say(id, 'One')
  const two = await server.say(id, 'Two')
  return { id, one, two }
}

describe('an answer that is made anew', () => {
  test('stands beside the one that is there, and the conversation goes on from it', async () => {
    const { id, one, two } = await talk()
    upstream.behaves('other', says(['Another answer']))
    const { status, headers, body } = await again(two.reply.id, { model: 'openai/other' })
    expect(status).toBe(201)
    expect(body.message).toEqual(two.message)
    expect(body.reply).toMatchObject({
      position: 5,
      branch: 1,
      parent_id: two.message.id,
      status: 'completed',
      text: 'Another answer',
    })
    expect(headers.get('location')).toBe(`/v1/messages/${body.reply.id}`)

    const three = await server.say(id, 'Three')
    expect(askedLast()).toEqual(['One', 'You said: One', 'Two', 'Another answer', 'Three'])
    const current = await list(id)
    expect(textsOf(current)).toEqual([
      'One',
      'You said: One',
      'Two',
      'Another answer',
      'Three',
      'You said: Three',
    ])
    expect(current.map(({ parent_id: parent }) => parent)).toEqual([
      null,
      ...[one.message, one.reply, two.message, body.reply, three.message].map((message) => message.id),
    ])
    expect(textsOf(await list(id, '&branch=0'))).toEqual(['One', 'You said: One', 'Two', 'You said: Two'])
    expect((await server.get(`/v1/messages/${two.reply.id}`)).body).toEqual(two.reply)
  })

  test('does not hear of the one that it stands beside', async () => {
    const { one } = await talk()
    await again(one.reply.id)
    expect(askedLast()).toEqual(['One'])
  })

  test('can be asked of the question, and be followed live', async () => {
    const { one } = await talk()
    const events = await server.events(`/v1/messages/${one.message.id}/regenerate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"stream":true}',
    })
    expect(events[0]?.data).toMatchObject({ message: { id: one.message.id }, reply: { status: 'queued' } })
    expect(events.at(-1)?.type).toBe('reply.completed')
  })

  test('is made once for one key', async () => {
    const { id, two } = await talk()
    const path = `/v1/messages/${two.reply.id}/regenerate`
    const send = () => server.request('POST', path, wait, { 'idempotency-key': 'again' })
    const first = await send()
    const second = await send()
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.body).toEqual(first.body)
    expect((await server.get(`/v1/interactions/${id}/branches`)).body.data).toHaveLength(1)
  })

  test('is refused where there is nothing to answer', async () => {
    const id = await server.begin()
    const { message } = await server.say(id, 'Be brief.', { role: 'System' })
    const { status, body } = await again(message.id)
    expect([status, body.errors]).toEqual([
      422,
      [{ in: 'path', field: 'id', message: 'answers nothing, and is none that a model answers' }],
    ])
    expect((await again('00000000-0000-7000-8000-000000000000')).status).toBe(404)
  })
})

test('an answer that is made anew with rollback while it is being made loses it, and keeps the question', async () => {
  const id = await server.begin()
  upstream.behaves('slow', () => new Promise(() => {}))
  const path = `/v1/interactions/${id}/messages`
  const { message, reply } = (await server.post(path, { content: 'One', model: 'openai/slow' })).body
  const { status, body } = await again(reply.id, { on_busy: 'rollback' })
  expect([status, body.message]).toEqual([201, message])
  expect(body.reply).toMatchObject({ position: 3, branch: 0, parent_id: message.id, text: 'You said: One' })
  expect(await list(id)).toEqual([message, body.reply])
})

describe('a message that is edited', () => {
  test('is said otherwise on a branch of its own, and answered there', async () => {
    const { id, two } = await talk()
    const { status, body } = await edit(two.message.id, 'Too')
    expect(status).toBe(201)
    expect(body.message).toMatchObject({ branch: 1, parent_id: two.message.parent_id, text: 'Too' })
    expect(askedLast()).toEqual(['One', 'You said: One', 'Too'])
    expect(textsOf(await list(id))).toEqual(['One', 'You said: One', 'Too', 'You said: Too'])
  })

  test('may be the first one: nothing is shared then', async () => {
    const { id, one } = await talk()
    await edit(one.message.id, 'Uno')
    expect(textsOf(await list(id))).toEqual(['Uno', 'You said: Uno'])
    const { data } = (await server.get(`/v1/interactions/${id}/branches`)).body
    expect(data).toMatchObject([
      { object: 'branch', number: 1, parent: 0, fork_position: 0, first_position: 5 },
    ])
  })

  test('may be an answer: it is not answered', async () => {
    const { id, two } = await talk()
    const { body } = await edit(two.reply.id, 'What I would have said')
    expect(body.reply).toBeNull()
    expect(textsOf(await list(id)).at(-1)).toBe('What I would have said')
  })
})

describe('branches', () => {
  test('nest as deep as one likes, and each is read in pages from both ends', async () => {
    const id = await server.begin()
    let last = (await server.say(id, 'Turn 0')).reply
    for (let turn = 1; turn < 6; turn += 1) {
      // Every answer is made anew before the next question.
      last = (await again(last.id)).body.reply
      last = (await server.say(id, `Turn ${turn}`)).reply
    }
    const whole = await list(id)
    expect(textsOf(whole)).toEqual(
      Array.from({ length: 6 }, (_, turn) => [`Turn ${turn}`, `You said: Turn ${turn}`]).flat(),
    )
    expect(new Set(whole.map(({ branch }) => branch))).toEqual(new Set([0, 1, 2, 3, 4, 5]))
    for (const order of ['asc', 'desc']) {
      const seen: Json[] = []
      let query = ''
      do {
        const { body } = await server.get(`/v1/interactions/${id}/messages?limit=5&order=${order}${query}`)
        seen.push(...body.data)
        query = body.next ? `&after=${body.next}` : ''
      } while (query !== '')
      expect(seen).toEqual(order === 'asc' ? whole : whole.toReversed())
    }
    const before = (await server.get(`/v1/interactions/${id}/messages?limit=4&before=${whole[7].id}`)).body
    expect(before.data).toEqual(whole.slice(3, 7))
  })

  test('show what else was said in the place of a message', async () => {
    const { id, one, two } = await talk()
    const other = (await again(two.reply.id)).body.reply
    const third = (await again(two.reply.id)).body.reply
    const edited = (await edit(one.message.id, 'Uno')).body
    const siblings = async (branch: number) =>
      Object.fromEntries(
        (await list(id, `&branch=${branch}&include=siblings`)).map((message: Json) => [
          message.text,
          message.siblings.map((sibling: Json) => sibling.id),
        ]),
      )
    const answers = [two.reply.id, other.id, third.id]
    const beginnings = [one.message.id, edited.message.id]
    expect(await siblings(0)).toEqual({
      One: beginnings,
      'You said: One': [one.reply.id],
      Two: [two.message.id],
      'You said: Two': answers,
    })
    expect(await siblings(2)).toMatchObject({ One: beginnings, 'You said: Two': answers })
    expect(await siblings(3)).toEqual({ Uno: beginnings, 'You said: Uno': [edited.reply.id] })
  })

  test('show each other what stands in one place, also when what stood between is gone', async () => {
    const { id, two } = await talk()
    const answers = [
      two.reply,
      (await again(two.reply.id)).body.reply,
      (await again(two.reply.id)).body.reply,
    ]
    await server.request('DELETE', `/v1/messages/${two.message.id}`)
    // Behind what the question stood behind.
    const { message: edited } = (await edit(two.reply.id, 'Instead')).body
    const expected = [...answers.map((answer) => answer.id), edited.id]
    for (const branch of [0, 1, 2, 3]) {
      const { siblings } = (await list(id, `&branch=${branch}&include=siblings`)).at(-1)
      expect(siblings.map((sibling: Json) => sibling.id)).toEqual(expected)
    }
  })

  test('are changed over to, and back', async () => {
    const { id, two } = await talk()
    await edit(two.message.id, 'Too')
    const { body } = await server.request('PATCH', `/v1/interactions/${id}`, { branch: 0 })
    expect(body.branch).toBe(0)
    expect(textsOf(await list(id)).at(-1)).toBe('You said: Two')
    await server.say(id, 'Three')
    expect(textsOf(await list(id))).toContain('Two')
    const wrong = await server.request('PATCH', `/v1/interactions/${id}`, { branch: 7 })
    expect([wrong.status, wrong.body.errors[0].field]).toEqual([422, 'branch'])
    const unknown = await server.get(`/v1/interactions/${id}/messages?branch=7`)
    expect([unknown.status, unknown.body.errors[0].field]).toEqual([422, 'branch'])
  })

  test('begin where a message is posted behind one that has a follower', async () => {
    const { id, one, two } = await talk()
    const { message } = await server.say(id, 'Or else', { parent_id: one.reply.id })
    expect(message).toMatchObject({ branch: 1, position: 5, parent_id: one.reply.id })
    // Nothing follows this one: it is gone on with, where it is.
    const { message: next } = await server.say(id, 'And then', { parent_id: two.reply.id })
    expect(next).toMatchObject({ branch: 0, parent_id: two.reply.id })
    const elsewhere = await server.begin()
    const wrong = await server.post(`/v1/interactions/${elsewhere}/messages`, {
      content: 'Lost',
      parent_id: one.reply.id,
    })
    expect([wrong.status, wrong.body.errors[0].field]).toEqual([422, 'parent_id'])
    expect(await list(elsewhere)).toEqual([])
  })

  test('outlive the messages where they began', async () => {
    const { id, one, two } = await talk()
    const { body } = await again(two.reply.id)
    await server.request('DELETE', `/v1/messages/${two.message.id}`)
    expect(textsOf(await list(id))).toEqual(['One', 'You said: One', 'You said: Two'])
    expect((await server.get(`/v1/messages/${body.reply.id}`)).body.parent_id).toBe(one.reply.id)
  })

  test('are left where the answer that began one is rolled back', async () => {
    const { id, two } = await talk()
    upstream.behaves('waits', () => new Promise(() => {}))
    await server.post(`/v1/messages/${two.reply.id}/regenerate`, { model: 'openai/waits' })
    await upstream.asked('waits')
    await server.say(id, 'Three', { on_busy: 'rollback' })
    const all = ['One', 'You said: One', 'Two', 'You said: Two', 'Three', 'You said: Three']
    expect(textsOf(await list(id))).toEqual(all)
    expect((await server.get(`/v1/interactions/${id}`)).body.branch).toBe(0)
  })
})

test('an answer that is made anew while it is being made takes its place, where it is to be rolled back', async () => {
  const { id } = await talk()
  upstream.behaves('runs', () => new Promise(() => {}))
  const path = `/v1/interactions/${id}/messages`
  const { reply } = (await server.post(path, { content: 'Three', model: 'openai/runs' })).body
  await upstream.asked('runs')
  const { status } = await again(reply.id, { on_busy: 'rollback' })
  expect(status).toBe(201)
  expect(textsOf(await list(id)).slice(-2)).toEqual(['Three', 'You said: Three'])
  expect((await server.get(`/v1/messages/${reply.id}`)).status).toBe(404)
})

describe('an interaction that is forked', () => {
  const fork = (id: string, body: object = {}) => server.post(`/v1/interactions/${id}/fork`, body)

  test('begins as the other did, and each goes its own way', async () => {
    const { id, one, two } = await talk()
    const { status, body } = await fork(id, { message_id: one.reply.id, title: 'Else' })
    expect([status, body.title, body.branch]).toEqual([201, 'Else', 0])
    const copies = await list(body.id)
    expect(copies).toMatchObject([
      { position: 1, text: 'One', parent_id: null },
      {
        position: 2,
        text: 'You said: One',
        parent_id: copies[0].id,
        model: 'openai/echo',
        status: 'completed',
      },
    ])
    await server.say(body.id, 'Elsewhere')
    expect(askedLast()).toEqual(['One', 'You said: One', 'Elsewhere'])
    expect((await list(body.id)).map(({ position }) => position)).toEqual([1, 2, 3, 4])
    expect(textsOf(await list(id))).toHaveLength(4)
    await server.request('DELETE', `/v1/interactions/${id}`)
    expect((await server.get(`/v1/messages/${two.reply.id}`)).status).toBe(404)
    expect(await list(body.id)).toHaveLength(4)
  })

  test('takes the way that it is on, numbered anew', async () => {
    const { id, two } = await talk()
    await edit(two.message.id, 'Too')
    const { body } = await fork(id)
    const copies = await list(body.id)
    expect(copies.map(({ position, text, branch }) => `${position} ${branch} ${text}`)).toEqual([
      '1 0 One',
      '2 0 You said: One',
      '3 0 Too',
      '4 0 You said: Too',
    ])
  })

  test('is refused at a message of another one, and while an answer is being made', async () => {
    const { id } = await talk()
    const { one } = await talk()
    const wrong = await fork(id, { message_id: one.reply.id })
    expect([wrong.status, wrong.body.errors[0].field]).toEqual([422, 'message_id'])
    upstream.behaves('hangs', () => new Promise(() => {}))
    await server.post(`/v1/interactions/${id}/messages`, { content: 'Three', model: 'openai/hangs' })
    expect((await fork(id)).body.code).toBe('reply_in_progress')
    expect((await fork(id, { message_id: (await list(id))[3].id })).status).toBe(201)
  })

  test('is one for one key', async () => {
    const { id } = await talk()
    const send = () =>
      server.request('POST', `/v1/interactions/${id}/fork`, {}, { 'idempotency-key': 'fork' })
    expect((await send()).body.id).toBe((await send()).body.id)
  })
})
