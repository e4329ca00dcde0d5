import { post } from '../posts.ts'
import { makeDatabase } from '../support/databases.ts'
import { beginInteractions, type Latencies, median, middle, repeat } from '../support/load.ts'
import { startNode } from '../support/node.ts'
import type { MeasuredPostgres } from '../support/postgres.ts'
import { type Running, startHelper } from '../support/processes.ts'
import { isQuick, type Line, round } from '../support/report.ts'

const rounds = isQuick ? 2 : 5
const roundMs = isQuick ? 500 : 2_000
const interactionCount = 64
const poolSize = '10'

/** Posts per second against a floor that runs the same SQL by hand, with nothing around it. */
export async function benchClusterPosts(postgres: MeasuredPostgres, upstream: Running): Promise<Line[]> {
  const env = {
    DATABASE_POOL_SIZE: poolSize,
    // The posts are measured, not the answers: one hangs, and the node has no place for another.
    MAX_RUNNING_REPLIES: '1',
    MAX_QUEUED_REPLIES: '1000000',
    FIRST_TOKEN_TIMEOUT_MS: '3600000',
  }
  const floorDatabase = await makeDatabase(postgres, 'posts_floor')
  // Its tables are the server's own: made by it, and taken over.
  const seed = await startNode(floorDatabase, upstream, 'hang', env)
  const floorTargets = await beginInteractions(seed.url, interactionCount)
  await seed.stop()
  const floor = await startHelper('postgres-posts-floor', { DATABASE: floorDatabase, POOL_SIZE: poolSize })
  const parley = await startNode(await makeDatabase(postgres, 'posts_parley'), upstream, 'hang', env)
  const parleyTargets = await beginInteractions(parley.url, interactionCount)

  const lines: Line[] = []
  for (const clients of [1, 16, 64]) {
    const measured: Array<{ parley: Latencies; floor: Latencies }> = []
    for (let done = 0; done <= rounds; done += 1) {
      const one = await repeat(clients, roundMs, (client) => post(floor.url, floorTargets, client))
      const other = await repeat(clients, roundMs, (client) => post(parley.url, parleyTargets, client))
      measured.push({ floor: one, parley: other })
    }
    // The first round was for warming up.
    lines.push(line(clients, measured.slice(1)))
  }
  await Promise.all([floor.stop(), parley.stop()])
  return lines
}

function line(clients: number, measured: Array<{ parley: Latencies; floor: Latencies }>): Line {
  const parley = middle(measured.map((each) => each.parley))
  const floor = middle(measured.map((each) => each.floor))
  return {
    bench: 'cluster',
    what: `posts on PostgreSQL, ${clients} client${clients === 1 ? '' : 's'}, of the floor's rate`,
    measured: median(measured.map((each) => each.parley.perSecond / each.floor.perSecond)),
    unit: '×',
    target: { atLeast: 0.5 },
    of: `${round(parley.perSecond)}/s p50 ${round(parley.p50)} p99 ${round(parley.p99)} ms; floor ${round(floor.perSecond)}/s`,
  }
}
