import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EventReader, type StreamEvent, textOf } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { echoes, holdsBack, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let database: TestDatabase
let env: Record<string, string>
let frozen: ServerProcess
let other: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  database = await createDatabase()
  env = {
    DATABASE_URL: database.url,
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/model',
    LOG_LEVEL: 'debug',
  }
  frozen = await spawnServer(env)
})

afterAll(async () => {
  await frozen.remove()
  await other.remove()
  await database.remove()
  await upstream.stop()
})

async function readUntil({ events }: EventReader, text: string): Promise<void> {
  const seen: StreamEvent[] = []
  while (!textOf(seen).includes(text)) {
    const { value, done } = await events.next()
    if (done) throw new Error(`the stream ended without "${text}"`)
    seen.push(value)
  }
}

test('a node that was frozen while another one took its answer over writes nothing more', async () => {
  const [old, anew] = [holdsBack(['Old '], ['to its end']), holdsBack(['New '], ['to its end'])]
  upstream.behaves('model', old.behaviour, anew.behaviour, echoes())
  const interaction = `/v1/interactions/${await frozen.begin()}/messages`
  // It is alone, so the answer is its own.
  const { body } = await frozen.post(interaction, { content: 'Go' })
  const path = `/v1/messages/${body.reply.id}`
  const first = await frozen.open(`${path}/events`)
  await readUntil(first, 'Old ')
  first.close()
  const { body: behind } = await frozen.post(interaction, { content: 'And then?' })
  other = await spawnServer(env)

  frozen.send('SIGSTOP')
  await readUntil(await other.open(`${path}/events`), 'New ')
  // All that its model still said is waiting for it when it goes on.
  old.goOn()
  const isRefused = frozen.logs(`this attempt at reply ${body.reply.id} may write nothing more`)
  frozen.send('SIGCONT')
  await isRefused
  anew.goOn()

  const events = await other.events(`${path}/events`)
  expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index + 1))
  expect(events.map(({ type, data }) => [type, data['attempt'] ?? data['text']])).toEqual([
    ['reply.started', 1],
    ['text.delta', 'Old '],
    ['reply.restarted', 2],
    ['text.delta', 'New '],
    ...events.slice(4, -1).map(({ type, data }) => [type, data['text']]),
    ['reply.completed', 2],
  ])
  expect(textOf(events)).toBe('New to its end')
  for (const node of [frozen, other]) {
    expect((await node.get(path)).body).toMatchObject({
      status: 'completed',
      text: 'New to its end',
      attempt: 2,
    })
  }
  // What waited behind it was not looked at too early, and is answered once.
  const next = await other.events(`/v1/messages/${behind.reply.id}/events`)
  expect(textOf(next)).toBe('You said: And then?')
  expect(next.at(-1)).toMatchObject({ type: 'reply.completed', data: { attempt: 1 } })

  // Alone again, it serves as before.
  await other.end('SIGKILL')
  const { reply } = await frozen.say(await frozen.begin(), 'Are you there?')
  expect(reply).toMatchObject({ status: 'completed', text: 'You said: Are you there?' })
  expect(frozen.complaints).toEqual([])
}, 60_000)
