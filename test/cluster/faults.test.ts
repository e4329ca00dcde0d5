import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster/cluster.ts'
import { unforeseen } from '../support/cluster/complaints.ts'
import { makeFaults, type Shares } from '../support/cluster/faults.ts'
import { createOutages } from '../support/cluster/outages.ts'
import { createTakeovers } from '../support/cluster/takeovers.ts'
import { startLoad } from '../support/crash/load.ts'
import { answersRecognizably } from '../support/crash/model.ts'
import { createRandom } from '../support/crash/random.ts'
import { lacksNginx } from '../support/nginx.ts'
import { findPostgres } from '../support/postgres-server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

// The short version of `npm run soak -- cluster`; what freezes is in fencing.test.ts, because it takes long.

/** Starting a node again takes long, too. */
const shares: Shares = {
  kill: 35,
  freeze: 0,
  'crash of PostgreSQL': 10,
  'restart of PostgreSQL': 5,
  sever: 25,
  cut: 25,
}
const lacksPostgres = !findPostgres() && !process.env['REQUIRE_POSTGRES']

describe.skipIf(lacksNginx || lacksPostgres)('three nodes behind nginx', () => {
  const random = createRandom()
  let upstream: Upstream
  let cluster: Cluster

  beforeAll(async () => {
    upstream = await startUpstream()
    upstream.behaves('recognizable', answersRecognizably(random, 20))
    cluster = await startCluster({
      OPENAI_BASE_URL: upstream.url,
      DEFAULT_MODEL: 'openai/recognizable',
      MAX_CRASHES: '1000',
      MAX_PROVIDER_FAILURES: '100',
    })
  })

  afterAll(async () => {
    await cluster.remove()
    await upstream.stop()
  })

  test('lose nothing and repeat nothing, whatever is killed, restarted or cut', async () => {
    const outages = createOutages()
    const takeovers = createTakeovers(cluster, outages)
    const load = startLoad(cluster.front, random, { maxPauseMs: 200 })
    const made = await makeFaults(
      cluster,
      createRandom(random.seed),
      { outages, takeovers },
      { times: 10, pauseMs: 500, shares, cut: load.cut },
    )
    const { counts, exceptions } = await load.finish()
    console.log(`SEED=${random.seed}, ${JSON.stringify({ ...made, ...counts })}`)
    expect(exceptions).toEqual([])
    expect(cluster.nodes.flatMap(({ server }) => unforeseen(server.complaints))).toEqual([])
    // It was under load, and its readers were cut off.
    expect(counts['of them restarted']).toBeGreaterThan(0)
    expect(counts['their reconnections']).toBeGreaterThan(0)
  }, 90_000)
})
