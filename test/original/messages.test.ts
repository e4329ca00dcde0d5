import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody, uuid } from '../support/patterns.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { fallsSilentAfter, refuses, says, startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/until.ts'

let parley: TestServer
let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await startServer({ OPENAI_BASE_URL: upstream.url, DEFAULT_MODEL: 'openai/talker' })
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)

async function create(settings: object = {}): Promise<string> {
  return (await parley.post('/interactions/', settings)).body.id
}

const post = (id: string, body: object) => parley.post(`/interactions/${id}/messages/`, body)
const read = (id: string) => parley.get(`/interactions/${id}/messages/`)

/** The messages when there are `count` of them. */
function readAll(id: string, count: number) {
  return until(`${count} messages`, async () => {
    const { body } = await read(id)
    return body.length >= count && body
  })
}

describe('the messages of 2023', () => {
  test('are answered in the background, as Ai', async () => {
    const id = await create()
    const { status, body } = await post(id, { role: 'Human', content: 'Hello' })
    expect(status).toBe(200)
    expect(Object.keys(body)).toEqual(['id', 'created_at', 'updated_at', 'role', 'content', 'interaction_id'])
    expect(body).toStrictEqual({
      id: uuid,
      created_at: time,
      updated_at: body.created_at,
      role: 'Human',
      content: 'Hello',
      interaction_id: id,
    })
    const [first, answer] = await readAll(id, 2)
    expect(first).toStrictEqual(body)
    expect(answer).toStrictEqual({
      id: uuid,
      created_at: time,
      updated_at: time,
      role: 'Ai',
      content: 'You said: Hello',
      interaction_id: id,
    })
  })

  test.each(['System', 'Ai'])('are answered also where %s said them', async (role) => {
    const id = await create()
    const { body } = await post(id, { role, content: 'Hello' })
    expect(body.role).toBe(role)
    const [, answer] = await readAll(id, 2)
    expect(answer.role).toBe('Ai')
  })

  test('do not show an answer before it is whole', async () => {
    upstream.behaves('slow', fallsSilentAfter(['One, ']))
    const id = await create({ model_name: 'openai/slow' })
    const before = upstream.requests.length
    const { body } = await post(id, { role: 'Human', content: 'Count' })
    await until('asked', () => upstream.requests[before])
    expect((await read(id)).body).toStrictEqual([body])
    await parley.request('DELETE', `/v1/interactions/${id}`)
  })

  test('go to the model with their history, behind the prompt, with every turn', async () => {
    const id = await create({ prompt: 'Be brief.' })
    await post(id, { role: 'Human', content: 'Hello' })
    await readAll(id, 2)
    await post(id, { role: 'Human', content: 'Again' })
    await readAll(id, 4)
    const prompt = { role: 'system', content: 'Be brief.' }
    const hello = { role: 'user', content: 'Hello' }
    expect(upstream.requests.slice(-2).map(({ body }) => body.messages)).toEqual([
      [prompt, hello],
      [prompt, hello, { role: 'assistant', content: 'You said: Hello' }, { role: 'user', content: 'Again' }],
    ])
  })

  test('ask the model that the interaction names', async () => {
    upstream.behaves('sonnet', says(['Shall I compare thee']))
    const id = await create({ model_name: 'sonnet' })
    await post(id, { role: 'Human', content: 'Speak' })
    const [, answer] = await readAll(id, 2)
    expect(answer.content).toBe('Shall I compare thee')
  })

  test('ignore ids, times and fields that nobody knows', async () => {
    const id = await create()
    const { status, body } = await post(id, {
      role: 'Human',
      content: 'Hello',
      id: nobody,
      interaction_id: nobody,
      created_at: '2001-01-01T00:00:00',
      position: 9,
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({ id: expect.not.stringMatching(nobody), interaction_id: id })
    expect(body.created_at).not.toContain('2001')
  })

  test('come oldest first, all of them', async () => {
    const id = await create()
    const contents = Array.from({ length: 120 }, (_, at) => `Message ${at}`)
    for (const content of contents) await parley.say(id, content, { role: 'System' })
    expect((await read(id)).body.map(({ content }: { content: string }) => content)).toEqual(contents)
  })

  test('say so where no answer can be had', async () => {
    upstream.behaves('broken', refuses(400))
    const id = await create({ model_name: 'openai/broken' })
    await post(id, { role: 'Human', content: 'Hello' })
    const [, answer] = await readAll(id, 2)
    expect(answer).toMatchObject({ role: 'Ai', content: 'The model provider refused the request.' })
  })

  test('are none in a new interaction', async () => {
    const { status, body } = await read(await create())
    expect(status).toBe(200)
    expect(body).toEqual([])
  })
})
