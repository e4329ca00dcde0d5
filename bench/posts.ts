import { beginInteractions, type Latencies, median, middle, read, repeat, send } from './support/load.ts'
import { type Running, startHelper, startParley } from './support/processes.ts'
import { makeFolder } from './support/folders.ts'
import { isQuick, type Line, round } from './support/report.ts'

const rounds = isQuick ? 2 : 5
const roundMs = isQuick ? 500 : 2_000
const interactionCount = 64
const body = JSON.stringify({ content: 'What is the capital of the country where the river Kwai is?' })

/** Durable posts per second against a floor that does the same SQLite work with nothing around it. */
export async function benchPosts(upstream: Running): Promise<Line[]> {
  const folder = makeFolder()
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

  const lines: Line[] = []
  for (const clients of [1, 16, 64]) {
    const measured: Array<{ parley: Latencies; floor: Latencies }> = []
    for (let done = 0; done < rounds; done += 1) {
      const one = await repeat(clients, roundMs, (client) => post(floor.url, floorTargets, client))
      const other = await repeat(clients, roundMs, (client) => post(parley.url, parleyTargets, client))
      measured.push({ floor: one, parley: other })
    }
    lines.push(line(clients, measured))
  }
  await Promise.all([floor.stop(), parley.stop()])
  return lines
}

export async function post(url: string, targets: string[], client: number) {
  const id = targets[client % targets.length] ?? ''
  const { response } = await send('POST', `${url}/v1/interactions/${id}/messages`, body)
  const text = await read(response)
  if (response.statusCode !== 201) throw new Error(`${response.statusCode} ${text}`)
}

function line(clients: number, measured: Array<{ parley: Latencies; floor: Latencies }>): Line {
  const parley = middle(measured.map((each) => each.parley))
  const floor = middle(measured.map((each) => each.floor))
  return {
    bench: 'posts',
    what: `durable posts, ${clients} client${clients === 1 ? '' : 's'}, of the floor's rate`,
    measured: median(measured.map((each) => each.parley.perSecond / each.floor.perSecond)),
    unit: '×',
    target: { atLeast: 0.6 },
    of: `${round(parley.perSecond)}/s p50 ${round(parley.p50)} p99 ${round(parley.p99)} ms; floor ${round(floor.perSecond)}/s`,
  }
}
