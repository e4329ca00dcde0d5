import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Frame, Json } from '../support/client.ts'
import { cutAfterEach, followOn, story } from '../support/feed.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  echoes,
  fallsSilentAfter,
  holdsBack,
  refuses,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

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

const ofType = (type: string) => (frame: Frame) => frame.type === type
const post = async (id: string, content: string) =>
  (await server.post(`/v1/interactions/${id}/messages`, { content })).body

const answered = ['message.created', 'reply.started', 'text.delta', 'reply.completed']

/** A conversation in which a bit of everything happens, one thing after the other; the frames of who was there. */
async function talk() {
  upstream.behaves('model', says(['One ', 'two ', 'three.']))
  const id = await server.begin({ model: 'openai/model' })
  const device = await followOn(server.url, id)
  await device.until(ofType('stream.opened'))
  const first = await post(id, 'Count')
  await device.until(ofType('reply.completed'))
  await server.request('PATCH', `/v1/interactions/${id}`, { title: 'Numbers' })
  await device.until(ofType('interaction.changed'))
  await server.request('PATCH', `/v1/messages/${first.reply.id}`, { content: 'One, two, three.' })
  await device.until(ofType('message.changed'))
  await post(id, 'Again')
  await device.until(ofType('reply.completed'))
  const anew = await server.post(`/v1/messages/${first.reply.id}/regenerate`, {})
  expect(anew.status).toBe(201)
  await device.until(ofType('reply.completed'))
  device.close()
  return { id, first, frames: device.seen }
}

describe('who follows an interaction', () => {
  test('is told of messages, replies as they are made, and changes, in their order', async () => {
    const { id, first, frames } = await talk()
    expect(story(frames)).toEqual([
      'stream.opened',
      ...answered,
      'interaction.changed',
      'message.changed',
      ...answered,
      'branch.created',
      'interaction.changed',
      ...answered,
    ])
    const created = frames.filter(ofType('message.created')).map(({ data }) => data['message'] as Json)
    expect(created.map(({ position, role }) => `${position} ${role}`)).toEqual([
      '1 Human',
      '2 AI',
      '3 Human',
      '4 AI',
      '5 AI',
    ])
    expect(created.slice(0, 2)).toEqual([first.message, first.reply])
    const deltas = frames
      .filter(ofType('text.delta'))
      .filter(({ data }) => data['message_id'] === first.reply.id)
    expect(deltas.map(({ data }) => data['text']).join('')).toBe('One two three.')
    const [changed] = frames.filter(ofType('interaction.changed'))
    expect(changed?.data['interaction']).toMatchObject({ id, title: 'Numbers' })
    expect(frames.find(ofType('message.changed'))?.data['message']).toMatchObject({
      text: 'One, two, three.',
    })
    expect(frames.find(ofType('branch.created'))?.data).toMatchObject({
      number: 1,
      parent: 0,
      first_position: 5,
    })
  })

  test('can be cut off after every event, and misses nothing', async () => {
    const { id, frames } = await talk()
    const rest = frames.slice(1)
    const last = rest.at(-1)
    const isLast = (frame: Frame) => frame.id === last?.id
    const all = rest.map((frame) => [frame.id, frame.type])
    const pieces = await cutAfterEach(server.url, id, frames[0]?.id ?? '', isLast)
    expect(pieces.map((frame) => [frame.id, frame.type])).toEqual(all)
    const tails = await Promise.all(
      frames.slice(0, -1).map(async ({ id: cursor = '' }) => {
        const device = await followOn(server.url, id, cursor)
        const seen = await device.until(isLast)
        device.close()
        return seen.map((frame) => [frame.id, frame.type])
      }),
    )
    expect(tails).toEqual(tails.map((_, at) => all.slice(at)))
  })

  test('can ask for the whole story', async () => {
    const { id, frames } = await talk()
    const device = await followOn(server.url, id, '0')
    const seen = await device.until(({ id: cursor }) => cursor === frames.at(-1)?.id)
    device.close()
    expect(seen.map(({ type }) => type)).toEqual(frames.slice(1).map(({ type }) => type))
  })

  test('is told of a reply that is made again, however late it comes', async () => {
    upstream.behaves('again', refuses(400), says(['Whole.']))
    upstream.behaves('model', says(['Well.']))
    const id = await server.begin({ model: 'openai/again' })
    const device = await followOn(server.url, id)
    await device.until(ofType('stream.opened'))
    const { reply } = await post(id, 'Count')
    await device.until(ofType('reply.failed'))
    // What comes behind it is told to its end before it goes on.
    await server.post(`/v1/interactions/${id}/messages`, { content: 'Well?', model: 'openai/model' })
    await device.until(ofType('reply.completed'))
    expect((await server.post(`/v1/messages/${reply.id}/requeue`)).status).toBe(200)
    await device.until(ofType('reply.completed'))
    device.close()
    const [opened, ...live] = device.seen
    const ofReply = (frames: Frame[]) =>
      frames.filter(({ data }) => data['message_id'] === reply.id).map(({ type, data }) => [type, data])
    expect(ofReply(live).map(([type]) => type)).toEqual([
      'reply.started',
      'reply.failed',
      'reply.requeued',
      'reply.restarted',
      'text.delta',
      'reply.completed',
    ])
    const isLast = (frame: Frame) => ofReply([frame])[0]?.[0] === 'reply.completed'
    expect(await cutAfterEach(server.url, id, opened?.id ?? '', isLast)).toEqual(live)
    const late = await followOn(server.url, id, '0')
    // In another order it may be: each log for itself is the same.
    await late.until(isLast)
    late.close()
    expect(ofReply(late.seen)).toEqual(ofReply(live))
  })

  test('sees on two devices the same, until the interaction is deleted', async () => {
    upstream.behaves('model', says(['Well.']))
    const id = await server.begin({ model: 'openai/model' })
    const devices = [await followOn(server.url, id), await followOn(server.url, id)]
    const both = (type: string) => Promise.all(devices.map((device) => device.until(ofType(type))))
    const { message } = await post(id, 'Hello')
    await both('reply.completed')
    await server.request('DELETE', `/v1/messages/${message.id}`)
    const [deleted] = await both('message.deleted')
    expect(deleted?.at(-1)?.data).toEqual({ message_id: message.id, position: 1 })
    await server.request('DELETE', `/v1/interactions/${id}`)
    await both('nothing more')
    const [one, other] = devices
    expect(one?.seen).toEqual(other?.seen)
    expect(one?.seen.at(-1)).toEqual({
      id: undefined,
      type: 'interaction.deleted',
      data: { interaction_id: id },
    })
    expect((await followOn(server.url, id)).status).toBe(404)
  })

  test('gets what is being made from its beginning, whenever it comes', async () => {
    const { behaviour, goOn } = holdsBack(['Some', 'thing '], ['else'])
    upstream.behaves('slow', behaviour)
    const id = await server.begin({ model: 'openai/slow' })
    const early = await followOn(server.url, id)
    await post(id, 'Hello')
    await early.until(ofType('text.delta'))
    const late = await followOn(server.url, id)
    await late.until(ofType('text.delta'))
    goOn()
    await Promise.all([early, late].map((device) => device.until(ofType('reply.completed'))))
    for (const { seen, close } of [early, late]) {
      const text = seen.filter(ofType('text.delta')).map(({ data }) => data['text'])
      expect(text.join('')).toBe('Something else')
      close()
    }
    expect(story(late.seen)).not.toContain('message.created')
  })

  test('is told at once of an answer that is cancelled while it waits behind another', async () => {
    upstream.behaves('silent', fallsSilentAfter(['Well, ']), echoes())
    const id = await server.begin({ model: 'openai/silent' })
    const device = await followOn(server.url, id)
    const { reply: first } = await post(id, 'One')
    const { reply: second } = await post(id, 'Two')
    await server.post(`/v1/messages/${second.id}/cancel`)
    const seen = await device.until(ofType('reply.cancelled'))
    expect(seen.at(-1)?.data).toMatchObject({ message_id: second.id, status: 'cancelled' })
    await server.post(`/v1/messages/${first.id}/cancel`)
    const cursor = seen.at(-1)?.id
    const [next] = await device.until(ofType('reply.cancelled')).then((frames) => frames.slice(-1))
    device.close()
    expect(next?.data['message_id']).toBe(first.id)
    // Who comes back from between the two gets the one that is left.
    const again = await followOn(server.url, id, cursor)
    const rest = await again.until(ofType('reply.cancelled'))
    again.close()
    expect(rest.filter(ofType('reply.cancelled')).map(({ data }) => data['message_id'])).toEqual([first.id])
  })

  test('may be slow, and holds nobody up', async () => {
    const words = Array.from({ length: 400 }, (_, at) => `${at} ${'x'.repeat(8_000)} `)
    upstream.behaves('long', says(words))
    const id = await server.begin({ model: 'openai/long' })
    const slow = await followOn(server.url, id)
    const { reply } = await server.say(id, 'Tell me all')
    const seen = await slow.until(ofType('reply.completed'))
    slow.close()
    const text = seen.filter(ofType('text.delta')).map(({ data }) => data['text'])
    expect(text.join('')).toBe(reply.text)
  })

  test('goes on where it was when the server has stopped and is back', async () => {
    upstream.behaves('silent', fallsSilentAfter(['Well, ']), echoes())
    const id = await server.begin({ model: 'openai/silent' })
    const device = await followOn(server.url, id)
    await post(id, 'Hello')
    const seen = await device.until(ofType('text.delta'))
    await server.restart()
    expect(story(await device.until(() => false))).toEqual(['stream.closing'])
    const again = await followOn(server.url, id, seen.at(-1)?.id)
    expect(story(await again.until(ofType('reply.completed')))).toEqual([
      'reply.restarted',
      'text.delta',
      'reply.completed',
    ])
    again.close()
  })
})

describe('who asks for what is not there', () => {
  test('is refused, with the field that is wrong', async () => {
    const id = await server.begin()
    const path = `/v1/interactions/${id}/events`
    for (const after of ['x', '1.2.3', '1.1.9.0', '', '-1']) {
      expect(await server.get(`${path}?after=${after}`)).toMatchObject({
        status: 422,
        body: { errors: [{ in: 'query', field: 'after' }] },
      })
    }
    // Of as many messages as there are, but none that the server gives.
    await server.say(id, 'Hello')
    await server.say(id, 'Hello again')
    for (const after of ['4.0.4.0_2-x', '4.0.4.0_4-1', '4.0.2.0_5-1', '4.0.4.0_2-1_2-2']) {
      expect(await server.get(`${path}?after=${after}`)).toMatchObject({
        status: 422,
        body: { errors: [{ in: 'query', field: 'after' }] },
      })
    }
    expect(await server.request('GET', path, undefined, { 'last-event-id': '7.0.8.0' })).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'header', field: 'last-event-id' }] },
    })
  })
})
