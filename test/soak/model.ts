import { engine } from '../support/database.ts'
import { createRandom } from '../support/crash/random.ts'
import { holdAgainstRules, modelEnv } from '../support/model/run.ts'
import { setup, teardown } from '../support/postgres-setup.ts'
import { spawnServer } from '../support/process.ts'
import { startUpstream } from '../support/upstream.ts'

/** Of what went wrong, the rest is mostly the same. */
const maxShown = 20

/**
 * `npm run soak -- model [<operations>]`: 10,000 random operations of many clients, while the server is killed again
 * and again, held against the rules of a conversation. `SEED` repeats the choices of an earlier run,
 * `TEST_ENGINE=postgres` makes it one on PostgreSQL. Resolves with whether nothing was found.
 */
export async function soakModel(operations = Number(process.env['OPERATIONS'] ?? 10_000)): Promise<boolean> {
  const random = createRandom()
  console.log(`${operations} operations on ${engine}, SEED=${random.seed}`)
  if (engine === 'postgres') await setup()
  const upstream = await startUpstream()
  const server = await spawnServer({ OPENAI_BASE_URL: upstream.url, ...modelEnv })
  try {
    const begunAt = performance.now()
    const { counts, divergences } = await holdAgainstRules(server, upstream, random, {
      operations,
      onKill: (left) => console.log(`${operations - left} operations`),
    })
    console.table({ seconds: Math.round((performance.now() - begunAt) / 1_000), ...counts })
    for (const divergence of divergences.slice(0, maxShown)) console.log(divergence)
    console.log(`${divergences.length} divergences, SEED=${random.seed}`)
    return divergences.length === 0
  } finally {
    await server.remove()
    await upstream.stop()
    await teardown()
  }
}
