import { beginInteractions, type Latencies, median, middle, read, repeat, send } from './support/load.ts'
import { type Running, startHelper, startParley } from './support/processes.ts'
import { makeFolder } from './support/folders.ts'
import { isQuick, type Line, round } from './support/report.ts'

const rounds = isQuick ? 2 : 5
const roundMs = isQuick ? 500 : 3_000
const clients = 32
/** So many that none of them gets a long history. */
const interactionCount = 640
const model = 'tokens:20:0'

/** Whole turns per second, question stored to answer stored, against a floor that stores and asks and no more. */
export async function benchTurns(upstream: Running): Promise<Line[]> {
  const folder = makeFolder()
  const env = { OPENAI_BASE_URL: `${upstream.url}/v1`, DEFAULT_MODEL: `openai/${model}` }
  // Its tables are the server's own: made by it, and taken over.
  const seed = await startParley({ ...env, DATABASE_URL: `sqlite:${folder}/floor.db` })
  const floorIds = await beginInteractions(seed.url, interactionCount)
  await seed.stop()
  const floor = await startHelper('turns-floor', {
    DATABASE: `${folder}/floor.db`,
    UPSTREAM: `${upstream.url}/v1`,
    MODEL: model,
  })
  const parley = await startParley({ ...env, DATABASE_URL: `sqlite:${folder}/parley.db` })
  const parleyIds = await beginInteractions(parley.url, interactionCount)

  const measured: Array<{ parley: Latencies; floor: Latencies }> = []
  for (let done = 0; done <= rounds; done += 1) {
    const one = await repeat(clients, roundMs, () => turn(floor.url, floorIds))
    const other = await repeat(clients, roundMs, () => turn(parley.url, parleyIds))
    measured.push({ floor: one, parley: other })
  }
  await Promise.all([floor.stop(), parley.stop()])
  // The first round was for warming up.
  return [line(measured.slice(1))]
}

let turns = 0

export async function turn(url: string, ids: string[]) {
  turns += 1
  const body = JSON.stringify({ content: 'What is the capital of Peru?', wait_ms: 30_000 })
  const id = ids[turns % ids.length]
  const text = await read((await send('POST', `${url}/v1/interactions/${id}/messages`, body)).response)
  if (!text.includes('"completed"')) throw new Error(text)
}

function line(measured: Array<{ parley: Latencies; floor: Latencies }>): Line {
  const parley = middle(measured.map((each) => each.parley))
  const floor = middle(measured.map((each) => each.floor))
  return {
    bench: 'turns',
    what: `whole turns, ${clients} clients, of the floor's rate`,
    measured: median(measured.map((each) => each.parley.perSecond / each.floor.perSecond)),
    unit: '×',
    of: `${round(parley.perSecond)}/s p50 ${round(parley.p50)} p99 ${round(parley.p99)} ms; floor ${round(floor.perSecond)}/s`,
  }
}
