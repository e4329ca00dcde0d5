import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { hangs, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  server = await spawnServer({ OPENAI_BASE_URL: upstream.url, MAX_CRASHES: '2' })
})

afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

/** Kills the server as soon as it asks the model, every time, until the answer has ended. */
async function killAtEveryQuestion(model: string, more: object) {
  upstream.behaves(model, hangs())
  const interaction = await server.begin({ model: `openai/${model}` })
  const posted = await server.post(`/v1/interactions/${interaction}/messages`, { content: 'Die', ...more })
  const path = `/v1/messages/${posted.body.reply.id}`
  for (let asked = 0; ; asked += 1) {
    const reading = server.events(`${path}/events`).catch(() => [])
    const ended = reading.then((events) => events.at(-1)?.type === 'reply.failed')
    const hasEnded = await Promise.race([ended, upstream.asked(model, asked + 1).then(() => false)])
    if (hasEnded) return { asked, reply: (await server.get(path)).body }
    await server.end('SIGKILL')
    await server.start()
  }
}

const crashed = { status: 'failed', error: { code: 'crashed' } }

test.each([
  ['fails', { on_crash: 'fail' }],
  ['once', { max_attempts: 1 }],
])('an answer that is to be asked for once is, also where that kills at once: %s', async (model, more) => {
  const { asked, reply } = await killAtEveryQuestion(model, more)
  expect(asked).toBe(1)
  expect(reply).toMatchObject(crashed)
})

test('any other is asked for once more than may be killed, at the most', async () => {
  const { asked, reply } = await killAtEveryQuestion('usual', {})
  expect(asked).toBeLessThanOrEqual(3)
  expect(reply).toMatchObject(crashed)
}, 40_000)
