import { beforeEach, describe, expect, test } from 'vitest'
import { nobody, uuid } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

let parley: TestServer
beforeEach(async () => {
  parley = await startServer()
  return () => parley.stop()
})

const create = (body: unknown = {}) => parley.post('/interactions/', body)
const list = async () => (await parley.get('/interactions/')).body.data
/** In UTC, without a zone, with microseconds. */
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)

describe('the interactions of 2023', () => {
  test('are created with nothing but an empty object', async () => {
    const { status, headers, body } = await create()
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(Object.keys(body)).toEqual(['id', 'created_at', 'updated_at', 'model_name', 'role', 'prompt'])
    expect(body).toStrictEqual({
      id: uuid,
      created_at: time,
      updated_at: body.created_at,
      model_name: 'builtin/eliza',
      role: 'System',
      prompt: null,
    })
  })

  test.each([
    { role: 'Human', prompt: 'Be kind.', model_name: 'gpt-3.5-turbo' },
    { role: 'Ai', prompt: '', model_name: 'nobody-has-this' },
    { role: 'System', prompt: null, model_name: 'builtin/eliza' },
  ])('keep what they are given, also a model that nobody has: %j', async (settings) => {
    const { status, body } = await create(settings)
    expect(status).toBe(200)
    expect(body).toMatchObject(settings)
  })

  test('ignore ids, times and fields that nobody knows', async () => {
    const { status, body } = await create({
      id: nobody,
      created_at: '2001-01-01T00:00:00',
      owner: 'me',
      messages: [],
    })
    expect(status).toBe(200)
    expect(body.id).not.toBe(nobody)
    expect(body.created_at).not.toContain('2001')
    expect(body).not.toHaveProperty('owner')
  })

  test('take numbers for texts, as they did', async () => {
    expect((await create({ prompt: 42, model_name: 7 })).body).toMatchObject({
      prompt: '42',
      model_name: '7',
    })
  })

  test('are listed once they have messages, with settings and messages', async () => {
    await create({ prompt: 'never used' })
    const { body: interaction } = await create({ role: 'Human', prompt: 'Be kind.' })
    expect(await list()).toEqual([])
    const path = `/interactions/${interaction.id}/messages/`
    await parley.post(path, { role: 'Human', content: 'Hello' })
    const { body: messages } = await until('answered', async () => {
      const read = await parley.get(path)
      return read.body.length === 2 && read
    })
    const [listed, ...others] = await list()
    expect(others).toEqual([])
    expect(Object.keys(listed)).toEqual(['id', 'created_at', 'updated_at', 'settings', 'messages'])
    expect(listed).toStrictEqual({
      id: interaction.id,
      created_at: interaction.created_at,
      updated_at: time,
      settings: { model_name: 'builtin/eliza', role: 'Human', prompt: 'Be kind.' },
      messages,
    })
  })

  test('are listed in the order of their beginning, whole', async () => {
    const ids: string[] = []
    for (let count = 0; count < 3; count += 1) {
      const { body } = await create()
      ids.push(body.id)
      await parley.post(`/interactions/${body.id}/messages/`, { role: 'Human', content: 'Hello' })
    }
    const all = await until('all answered', async () => {
      const found = await list()
      return found.every(({ messages }: { messages: unknown[] }) => messages.length === 2) && found
    })
    expect(all.map(({ id }: { id: string }) => id)).toEqual(ids)
  })

  test('are those of today: each door sees what came in by the other', async () => {
    const { body: old } = await create({ role: 'Ai', prompt: 'Be kind.' })
    const { body: seen } = await parley.get(`/v1/interactions/${old.id}`)
    expect(seen).toMatchObject({ role: 'AI', prompt: 'Be kind.', model: 'builtin/eliza' })
    const today = await parley.begin({ role: 'Tool' })
    await parley.say(today, 'Hello')
    const [listed] = await list()
    expect(listed).toMatchObject({ id: today, settings: { role: 'System' } })
    expect(listed.messages.map(({ role }: { role: string }) => role)).toEqual(['Human', 'Ai'])
  })
})
