import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRandom } from '../support/crash/random.ts'
import { holdAgainstRules, modelEnv } from '../support/model/run.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

// The short version of `npm run soak -- model`.

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  server = await spawnServer({ OPENAI_BASE_URL: upstream.url, ...modelEnv })
})

afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

test('whatever clients do, and whenever the server is killed, conversations are as the rules have them', async () => {
  const random = createRandom()
  console.log(`SEED=${random.seed}`)
  const { counts, divergences } = await holdAgainstRules(server, upstream, random, {
    operations: 200,
    clients: 12,
    killEvery: 150,
  })
  console.log(JSON.stringify(counts))
  expect(divergences, `SEED=${random.seed}`).toEqual([])
  // It was killed on the way.
  expect(counts['kills']).toBeGreaterThan(0)
}, 60_000)
