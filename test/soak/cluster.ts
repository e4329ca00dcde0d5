import { type Cluster, startCluster } from '../support/cluster/cluster.ts'
import { makeFaults } from '../support/cluster/faults.ts'
import { createOutages } from '../support/cluster/outages.ts'
import { createTakeovers, type Takeover } from '../support/cluster/takeovers.ts'
import { startLoad } from '../support/crash/load.ts'
import { answersRecognizably } from '../support/crash/model.ts'
import { createRandom, type Random } from '../support/crash/random.ts'
import { unforeseen } from '../support/cluster/complaints.ts'
import { startUpstream } from '../support/upstream.ts'

/** How long a reply may stand still, as its readers see it. */
const targets = [
  { signal: 'SIGKILL', p50Ms: 2_000, maxMs: 5_000 },
  { signal: 'SIGSTOP', p50Ms: 15_000, maxMs: 15_000 },
] as const
/** Every reply has ended by then: a frozen node is noticed after 10 s. */
const endWithinMs = 60_000

/**
 * `npm run soak -- cluster [<faults>]`: three nodes behind nginx on a PostgreSQL of their own; 200 times, at
 * random, a node is killed or frozen, PostgreSQL crashes or is restarted, all its connections or all readers are
 * cut off, while clients post and read. Then holds what is there against what clients were told. `SEED` repeats the
 * choices of an earlier run. Resolves with whether every promise was kept.
 */
export async function soakCluster(times = 200): Promise<boolean> {
  const random = createRandom()
  console.log(`${times} faults, SEED=${random.seed}`)
  const upstream = await startUpstream()
  upstream.behaves('recognizable', answersRecognizably(random, 30))
  const cluster = await startCluster(
    {
      OPENAI_BASE_URL: upstream.url,
      DEFAULT_MODEL: 'openai/recognizable',
      MAX_CRASHES: '1000',
      MAX_PROVIDER_FAILURES: '100',
    },
    { fsync: 'on' },
  )
  try {
    return await soak(cluster, times, random, () => (upstream.requests.length = 0))
  } finally {
    await cluster.remove()
    await upstream.stop()
  }
}

async function soak(cluster: Cluster, times: number, random: Random, forget: () => void): Promise<boolean> {
  const outages = createOutages()
  const takeovers = createTakeovers(cluster, outages)
  const load = startLoad(cluster.front, random, {
    posters: 12,
    interactions: 40,
    maxReaders: 40,
    maxPauseMs: 150,
    longestMs: 45_000,
  })
  const begunAt = performance.now()
  const made = await makeFaults(
    cluster,
    createRandom(random.seed),
    { outages, takeovers },
    {
      times,
      pauseMs: 6_000,
      cut: load.cut,
      onFault(count) {
        // What the model was asked is of no use here, and would only grow.
        forget()
        if (count % 10 === 0) console.log(`${count} faults, ${load.witness.attempted.length} posts`)
      },
    },
  )
  const seconds = Math.round((performance.now() - begunAt) / 1_000)
  const { counts, exceptions } = await load.finish(endWithinMs)
  const complaints = cluster.nodes.flatMap(({ server }) => unforeseen(server.complaints))
  const longest = await longestWaitSeconds(cluster)
  console.table({
    seconds,
    ...made,
    ...counts,
    'errors logged': complaints.length,
    'longest wait for an answer, s': longest,
  })
  const late = judge(await takeovers.all())
  const all = [...exceptions, ...complaints, ...late]
  for (const exception of all.slice(0, 50)) console.log(exception)
  console.log(`${all.length} exceptions`)
  return all.length === 0
}

/** From the post to the end of its answer, with all that were before it in its interaction. */
async function longestWaitSeconds({ query }: Cluster): Promise<number> {
  const [row] = await query<{ ms: number }>('select max(completed_at - created_at)::int as ms from replies')
  return Math.round(row?.ms ?? 0) / 1_000
}

/** Prints how long takeovers took, and says in words which took too long. */
function judge(takeovers: Takeover[]): string[] {
  const rows = targets.map(({ signal, p50Ms, maxMs }) => {
    const those = takeovers.filter((takeover) => takeover.signal === signal)
    // Nobody can take over what PostgreSQL does not give.
    const [apart, taken] = [those.filter((one) => one.metOutage), those.filter((one) => !one.metOutage)]
    return { signal, p50Ms, maxMs, apart: describe(apart), taken: describe(taken) }
  })
  console.log('From the signal until a reader saw the next attempt, in ms:')
  console.table(
    rows.flatMap(({ signal, apart, taken }) => [
      { signal, 'while PostgreSQL was': 'up', ...taken },
      { signal, 'while PostgreSQL was': 'away, too', ...apart },
    ]),
  )
  return rows.flatMap(({ signal, p50Ms, maxMs, taken }) =>
    (taken.p50 ?? 0) > p50Ms || (taken.max ?? 0) > maxMs
      ? [`after ${signal}, replies stood still too long: at most ${p50Ms} ms (p50), ${maxMs} ms (max)`]
      : [],
  )
}

function describe(takeovers: Takeover[]) {
  const sorted = takeovers.map(({ tookMs }) => Math.round(tookMs)).toSorted((a, b) => a - b)
  return { replies: sorted.length, p50: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) }
}
