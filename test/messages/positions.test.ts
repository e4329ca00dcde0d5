import { afterAll, beforeAll, expect, test } from 'vitest'
import { readPages } from '../support/pages.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
beforeAll(async () => {
  parley = await startServer()
})
afterAll(() => parley.stop())

test('two hundred posts at once into one interaction leave no gap, and none is lost', async () => {
  const id = await parley.begin()
  const path = `/v1/interactions/${id}/messages`
  const posts = Array.from({ length: 200 }, (_, at) =>
    parley.post(path, { content: `Message ${at}`, role: at % 4 === 0 ? 'System' : 'Human', wait_ms: 60_000 }),
  )
  const answers = await Promise.all(posts)
  expect(answers.filter(({ status }) => status !== 201)).toEqual([])

  const stored = []
  let next: string | null = null
  do {
    const { body } = await parley.get(`${path}?limit=100${next === null ? '' : `&after=${next}`}`)
    stored.push(...body.data)
    next = body.next
  } while (next !== null)
  // Fifty were only to be stored; each of the others got its reply.
  expect(stored.map(({ position }) => position)).toEqual(Array.from({ length: 350 }, (_, at) => at + 1))
  for (const { body } of answers) {
    expect(stored[body.message.position - 1]).toStrictEqual(body.message)
    if (body.reply === null) continue
    expect(body.reply).toMatchObject({ position: body.message.position + 1, status: 'completed' })
    expect(stored[body.reply.position - 1]).toStrictEqual(body.reply)
  }
  const said = stored.filter(({ role }) => role !== 'AI').map(({ text }) => text)
  expect(new Set(said)).toEqual(new Set(posts.map((_, at) => `Message ${at}`)))
})

test('interactions count for themselves', async () => {
  const ids = [await parley.begin(), await parley.begin()]
  const posts = ids.flatMap((id) => [1, 2, 3].map(() => parley.say(id, 'Hello', { role: 'System' })))
  const positions = (await Promise.all(posts)).map(({ message }) => message.position)
  expect(new Set(positions.slice(0, 3))).toEqual(new Set([1, 2, 3]))
  expect(new Set(positions.slice(3))).toEqual(new Set([1, 2, 3]))
})

test('a refused post takes no position', async () => {
  const id = await parley.begin()
  const path = `/v1/interactions/${id}/messages`
  const posts = Array.from({ length: 20 }, (_, at) =>
    parley.post(path, { content: 'Hello', ...(at % 2 === 0 && { model: 'nobody/nothing' }) }),
  )
  const refused = (await Promise.all(posts)).filter(({ status }) => status === 422)
  expect(refused).toHaveLength(10)
  expect(refused[0]?.body).toMatchObject({ code: 'unknown_model', errors: [{ in: 'body', field: 'model' }] })
  const { body } = await parley.get(`${path}?limit=100`)
  expect(body.data.map(({ position }: { position: number }) => position)).toEqual(
    Array.from({ length: 20 }, (_, at) => at + 1),
  )
})

test('what is left keeps its positions when a message is deleted', async () => {
  const id = await parley.begin()
  await parley.say(id, 'Hello')
  const { message } = await parley.say(id, 'Again')
  await parley.request('DELETE', `/v1/messages/${message.id}`)
  expect((await parley.say(id, 'And again')).message.position).toBe(5)
  const { body } = await parley.get(`/v1/interactions/${id}/messages`)
  expect(body.data.map(({ position }: { position: number }) => position)).toEqual([1, 2, 4, 5, 6])
  expect(
    (await readPages(parley, `/v1/interactions/${id}/messages`, 'limit=2')).map((page) => page.length),
  ).toEqual([2, 2, 1])
})
