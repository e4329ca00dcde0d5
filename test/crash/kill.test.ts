import { afterAll, beforeAll, expect, test } from 'vitest'
import { killAgainAndAgain } from '../support/crash/kill.ts'
import { startLoad } from '../support/crash/load.ts'
import { answersRecognizably } from '../support/crash/model.ts'
import { createRandom } from '../support/crash/random.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

// The short version of `npm run soak`.

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  server = await spawnServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/recognizable',
    MAX_CRASHES: '1000',
    MAX_PROVIDER_FAILURES: '100',
  })
})

afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

test('however often the server is killed, what it accepted is there, and every answer comes whole and once', async () => {
  const random = createRandom()
  upstream.behaves('recognizable', answersRecognizably(random))
  const load = startLoad(server, random)
  await killAgainAndAgain(server, random, { times: 3, lifeMs: 400, when: load.answering })
  const { counts, exceptions } = await load.finish()
  console.log(`SEED=${random.seed}, ${JSON.stringify(counts)}`)
  expect(exceptions).toEqual([])
  expect(server.complaints).toEqual([])
  // It was under load, and its readers were cut off.
  expect(counts['of them restarted']).toBeGreaterThan(0)
  expect(counts['their reconnections']).toBeGreaterThan(0)
}, 60_000)
