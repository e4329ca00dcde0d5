import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Frame } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { followOn, story } from '../support/feed.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { holdsBack, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let database: TestDatabase
let here: TestServer
let elsewhere: TestServer

beforeAll(async () => {
  ;[upstream, database] = await Promise.all([startUpstream(), createDatabase()])
  const env = { DATABASE_URL: database.url, OPENAI_BASE_URL: upstream.url }
  ;[here, elsewhere] = await Promise.all([startServer(env), startServer(env)])
})
afterAll(async () => {
  await Promise.all([here.stop(), elsewhere.stop()])
  await Promise.all([upstream.stop(), database.remove()])
})

const ofType = (type: string) => (frame: Frame) => frame.type === type

test('a device on each node is told the same, token by token, and goes on at the other', async () => {
  const { behaviour, goOn } = holdsBack(['Some', 'thing '], ['else'])
  upstream.behaves('model', behaviour)
  const id = await here.begin({ model: 'openai/model' })
  const devices = [await followOn(here.url, id), await followOn(elsewhere.url, id)]
  const both = (type: string) => Promise.all(devices.map((device) => device.until(ofType(type))))
  await both('stream.opened')
  const { message } = (await elsewhere.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })).body
  await both('text.delta')
  goOn()
  await both('reply.completed')
  await here.request('PATCH', `/v1/messages/${message.id}`, { content: 'Good day' })
  await both('message.changed')
  const [one, other] = devices
  expect(one?.seen).toEqual(other?.seen)

  const moved = await followOn(elsewhere.url, id, one?.seen.find(ofType('text.delta'))?.id)
  const rest = await moved.until(ofType('message.changed'))
  expect(story(rest)).toEqual(['text.delta', 'reply.completed', 'message.changed'])
  await here.request('DELETE', `/v1/interactions/${id}`)
  await Promise.all([...devices, moved].map((device) => device.until(() => false)))
  for (const { seen } of [...devices, moved]) expect(seen.at(-1)?.type).toBe('interaction.deleted')
})

test('a device is told of what happened while its node heard nothing of the others', async () => {
  const id = await here.begin()
  const device = await followOn(elsewhere.url, id)
  await device.until(ofType('stream.opened'))
  const client = new Client(database.url)
  await client.connect()
  await client.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'parley notices' and datname = current_database()",
  )
  await client.end()
  await here.request('PATCH', `/v1/interactions/${id}`, { title: 'Unheard' })
  expect(story(await device.until(ofType('interaction.changed')))).toEqual(['interaction.changed'])
  device.close()
})
