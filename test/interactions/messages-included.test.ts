import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer()
})
afterAll(() => parley.stop())

test('an interaction shows its messages when asked, as a page of them', async () => {
  const id = await parley.begin()
  await parley.say(id, 'Hello')
  const { body } = await parley.get(`/v1/interactions/${id}?include=messages`)
  const { body: page } = await parley.get(`/v1/interactions/${id}/messages`)
  expect(page.data).toHaveLength(2)
  expect(body).toStrictEqual({ ...(await parley.get(`/v1/interactions/${id}`)).body, messages: page })
})

test('an interaction does not show them unasked', async () => {
  const id = await parley.begin()
  await parley.say(id, 'Hello')
  expect((await parley.get(`/v1/interactions/${id}`)).body).not.toHaveProperty('messages')
  expect((await parley.get('/v1/interactions')).body.data[0]).not.toHaveProperty('messages')
})

test('a list shows the messages of each of its interactions', async () => {
  const quiet = await parley.begin()
  const lively = await parley.begin()
  await parley.say(lively, 'Hello')
  const { body } = await parley.get('/v1/interactions?include=messages&limit=2')
  expect(body.data.map(({ id }: { id: string }) => id)).toEqual([lively, quiet])
  expect(body.data[0].messages.data.map(({ role }: { role: string }) => role)).toEqual(['Human', 'AI'])
  expect(body.data[1].messages).toStrictEqual({ object: 'list', data: [], has_more: false, next: null })
})

test('what is included of a long interaction says where to go on', async () => {
  const id = await parley.begin()
  for (let count = 0; count < 21; count += 1) {
    await parley.post(`/v1/interactions/${id}/messages`, { content: String(count), role: 'System' })
  }
  const { body } = await parley.get(`/v1/interactions/${id}?include=messages`)
  expect(body.messages.data).toHaveLength(20)
  const rest = await parley.get(`/v1/interactions/${id}/messages?after=${body.messages.next}`)
  expect(rest.body.data.map(({ text }: { text: string }) => text)).toEqual(['20'])
})
