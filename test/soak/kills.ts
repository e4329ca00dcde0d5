import { killAgainAndAgain } from '../support/crash/kill.ts'
import { startLoad } from '../support/crash/load.ts'
import { answersRecognizably } from '../support/crash/model.ts'
import { createRandom } from '../support/crash/random.ts'
import { spawnServer } from '../support/process.ts'
import { startUpstream } from '../support/upstream.ts'

/**
 * `npm run soak [-- kills [<times>]]`: kills the server 100 times at random moments while clients post and read,
 * lets every answer come to its end, and holds what is there against what clients were told. `SEED` repeats the
 * choices of an earlier run. Resolves with whether nothing was found.
 */
export async function soakKills(times = 100): Promise<boolean> {
  const random = createRandom()
  console.log(`${times} kills, SEED=${random.seed}`)
  const upstream = await startUpstream()
  upstream.behaves('recognizable', answersRecognizably(random))
  const server = await spawnServer({
    OPENAI_BASE_URL: upstream.url,
    DEFAULT_MODEL: 'openai/recognizable',
    MAX_CRASHES: '1000',
    MAX_PROVIDER_FAILURES: '100',
  })
  const load = startLoad(server, random)
  const restarts = await killAgainAndAgain(server, random, {
    times,
    lifeMs: 1_500,
    onKill(kills) {
      // What the model was asked is of no use here, and would only grow.
      upstream.requests.length = 0
      if (kills % 10 === 0) console.log(`${kills} kills, ${load.witness.attempted.length} posts`)
    },
  })
  const { counts, exceptions } = await load.finish(60_000)
  console.table({ kills: times, restarts, ...counts, 'errors logged': server.complaints.length })
  const all = [...exceptions, ...server.complaints]
  for (const exception of all.slice(0, 50)) console.log(exception)
  console.log(`${all.length} exceptions`)
  await server.remove()
  await upstream.stop()
  return all.length === 0
}
