import { expect, test } from 'vitest'
import { createDatabase } from '../support/database.ts'
import { startServer } from '../support/server.ts'
import { says, startUpstream } from '../support/upstream.ts'

test('many readers on every node get the same events of one answer, whenever they come', async () => {
  const [upstream, database] = await Promise.all([startUpstream(), createDatabase()])
  const words = Array.from({ length: 40 }, (_, index) => `word${index} `)
  upstream.behaves('model', says(words, { pauseMs: 10 }))
  const env = { DATABASE_URL: database.url, OPENAI_BASE_URL: upstream.url }
  const nodes = await Promise.all([startServer(env), startServer(env)])
  const [first] = nodes
  const id = await first.begin({ model: 'openai/model' })
  const { reply } = (await first.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })).body
  const path = `/v1/messages/${reply.id}/events`

  const follow = () => nodes.flatMap((node) => [node.events(path), node.events(path), node.events(path)])
  const early = follow()
  // It is half-way when these come.
  const { events } = await first.open(path)
  for await (const { id: sequence } of events) if (Number(sequence) > 5) break
  const [whole, ...others] = await Promise.all([...early, ...follow()])

  expect(whole?.map(({ id: sequence }) => sequence)).toEqual(whole?.map((_, index) => index + 1))
  expect(whole?.at(-1)?.type).toBe('reply.completed')
  for (const other of others) expect(other).toEqual(whole)
  for (const node of nodes) await node.stop()
  await Promise.all([upstream.stop(), database.remove()])
})
