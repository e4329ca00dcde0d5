import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beginInteractions, type Latencies, median, read, repeat, send } from './support/load.ts'
import { type Running, startHelper, startParley } from './support/processes.ts'

const rounds = 5
const roundMs = 2_000
const interactionCount = 64
const body = JSON.stringify({ content: 'What is the capital of the country where the river Kwai is?' })

export interface PostsResult {
  clients: number
  parley: Latencies
  floor: Latencies
  /** Of the floor's rate, the median of the rounds. */
  share: number
}

/** Durable posts per second against a floor that does the same SQLite work with nothing around it. */
export async function benchPosts(upstream: Running): Promise<PostsResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-bench-'))
  const env = {
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: 'openai/hang',
    // The posts are measured, not the answers: one hangs, the others wait.
    MAX_RUNNING_PER_PROVIDER: '1',
    MAX_QUEUED_REPLIES: '1000000',
    FIRST_TOKEN_TIMEOUT_MS: '3600000',
  }
  // Its tables are the server's own: made by it, and taken over.
  const seed = await startParley({ ...env, DATABASE_URL: `sqlite:${folder}/floor.db` })
  const floorTargets = await beginInteractions(seed.url, interactionCount)
  await seed.stop()
  const floor = await startHelper('posts-floor', { DATABASE: `${folder}/floor.db` })
  const parley = await startParley({ ...env, DATABASE_URL: `sqlite:${folder}/parley.db` })
  const parleyTargets = await beginInteractions(parley.url, interactionCount)

  const results: PostsResult[] = []
  for (const clients of [1, 16, 64]) {
    const measured: Array<{ parley: Latencies; floor: Latencies }> = []
    for (let round = 0; round < rounds; round += 1) {
      const one = await repeat(clients, roundMs, (client) => post(floor.url, floorTargets, client))
      const other = await repeat(clients, roundMs, (client) => post(parley.url, parleyTargets, client))
      measured.push({ floor: one, parley: other })
    }
    results.push({
      clients,
      parley: middle(measured.map((round) => round.parley)),
      floor: middle(measured.map((round) => round.floor)),
      share: median(measured.map((round) => round.parley.perSecond / round.floor.perSecond)),
    })
  }
  await Promise.all([floor.stop(), parley.stop()])
  return results
}

async function post(url: string, targets: string[], client: number) {
  const id = targets[client % targets.length] ?? ''
  const { response } = await send('POST', `${url}/v1/interactions/${id}/messages`, body)
  const text = await read(response)
  if (response.statusCode !== 201) throw new Error(`${response.statusCode} ${text}`)
}

function middle(measured: Latencies[]): Latencies {
  return {
    perSecond: median(measured.map(({ perSecond }) => perSecond)),
    p50: median(measured.map(({ p50 }) => p50)),
    p99: median(measured.map(({ p99 }) => p99)),
  }
}
