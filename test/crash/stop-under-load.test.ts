import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLoad } from '../support/crash/load.ts'
import { answersRecognizably } from '../support/crash/model.ts'
import { createRandom } from '../support/crash/random.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  server = await spawnServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/recognizable',
    MAX_PROVIDER_FAILURES: '100',
    // Shorter than most answers take.
    STOP_GRACE_MS: '20',
  })
})

afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

test('a server that is stopped under load ends well, tells its readers to come back, and loses nothing', async () => {
  const random = createRandom()
  upstream.behaves('recognizable', answersRecognizably(random))
  const load = startLoad(server, random)
  for (let stops = 0; stops < 2; stops += 1) {
    await load.accepts(20)
    await load.answering()
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
    await server.start()
  }
  const { counts, exceptions } = await load.finish()
  console.log(`SEED=${random.seed}, ${JSON.stringify(counts)}`)
  expect(exceptions).toEqual([])
  expect(server.complaints).toEqual([])
  // Each stop met answers in the making, and readers.
  expect(counts['of them restarted']).toBeGreaterThan(0)
  expect(load.witness.readings.some(({ closings }) => closings > 0)).toBe(true)
}, 60_000)
