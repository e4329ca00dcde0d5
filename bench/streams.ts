import { beginInteractions, median, percentiles, send } from './support/load.ts'
import { cpuMs, type Running, startHelper, startParley } from './support/processes.ts'
import { makeFolder } from './support/folders.ts'
import { isQuick, type Line, round } from './support/report.ts'

const rounds = isQuick ? 1 : 3
const roundMs = isQuick ? 3_000 : 10_000
const warmUpMs = isQuick ? 500 : 3_000
const warmUpTurns = isQuick ? 200 : 1_500
const shortModel = 'tokens:5:0'
const tokens = 250
const pauseMs = 20
const model = `tokens:${tokens}:${pauseMs}`

interface Round {
  first: number[]
  tokens: number
  cpu: number
}

interface Target {
  running: Running
  /** What a stream needs before it is asked for; not measured. */
  prepare: (count: number) => Promise<string[]>
  warmUp: () => Promise<unknown>
  /** Reads a stream to its end; how long its first token took, in ms. */
  once: (prepared: string | undefined) => Promise<number>
}

/** Streaming against a bare relay of the upstream's bytes: what durability and resumption cost. */
export async function benchStreams(upstream: Running): Promise<Line[]> {
  const relay = await relayTarget(upstream)
  const parley = await parleyTarget(upstream)
  // What a server does often enough is compiled by then, in either.
  for (const { warmUp } of [relay, parley]) for (let turn = 0; turn < warmUpTurns; turn += 1) await warmUp()
  const lines: Line[] = []
  for (const streams of [50, 200]) {
    await runRound(relay, streams, warmUpMs)
    await runRound(parley, streams, warmUpMs)
    const measured: Array<{ parley: Round; relay: Round }> = []
    for (let done = 0; done < rounds; done += 1) {
      measured.push({
        relay: await runRound(relay, streams, roundMs),
        parley: await runRound(parley, streams, roundMs),
      })
    }
    lines.push(...summarize(streams, measured))
  }
  await Promise.all([relay.running.stop(), parley.running.stop()])
  return lines
}

async function relayTarget(upstream: Running): Promise<Target> {
  const running = await startHelper('relay', { UPSTREAM: `${upstream.url}/v1` })
  const body = (name: string) =>
    JSON.stringify({ model: name, messages: [{ role: 'user', content: 'Hello' }] })
  return {
    running,
    prepare: async () => [],
    warmUp: () => stream(`${running.url}/`, body(shortModel), '"content"', '[DONE]'),
    once: () => stream(`${running.url}/`, body(model), '"content"', '[DONE]'),
  }
}

async function parleyTarget(upstream: Running): Promise<Target> {
  const folder = makeFolder()
  const running = await startParley({
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: `openai/${model}`,
    DATABASE_URL: `sqlite:${folder}/parley.db`,
  })
  const turn = (id: string | undefined, more: object) => {
    const body = JSON.stringify({ content: 'Hello', stream: true, ...more })
    return stream(`${running.url}/v1/interactions/${id}/messages`, body, 'text.delta', 'reply.completed')
  }
  const [warm] = await beginInteractions(running.url, 1)
  return {
    running,
    prepare: (count) => beginInteractions(running.url, count),
    warmUp: () => turn(warm, { model: `openai/${shortModel}` }),
    once: (id) => turn(id, {}),
  }
}

/** Keeps `streams` of them open for `ms`, each followed by the next, all of them begun at different times. */
async function runRound({ running, prepare, once }: Target, streams: number, ms: number): Promise<Round> {
  const turns = Math.ceil(ms / (tokens * pauseMs)) + 1
  const prepared = await prepare(streams * turns)
  const first: number[] = []
  const cpuBefore = cpuMs(running.pid)
  const until = performance.now() + ms
  await Promise.all(
    Array.from({ length: streams }, async (_, index) => {
      await new Promise((resolve) => setTimeout(resolve, (index / streams) * tokens * pauseMs))
      while (performance.now() < until) first.push(await once(prepared.pop()))
    }),
  )
  return { first, tokens: first.length * tokens, cpu: cpuMs(running.pid) - cpuBefore }
}

async function stream(url: string, body: string, firstMark: string, lastMark: string): Promise<number> {
  const { response, sentAt } = await send('POST', url, body)
  let firstMs = Number.NaN
  let last = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    last = String(chunk)
    if (Number.isNaN(firstMs) && last.includes(firstMark)) firstMs = performance.now() - sentAt
  }
  if (!last.includes(lastMark)) throw new Error(`a stream ended with ${last.slice(-300)}`)
  return firstMs
}

function summarize(streams: number, measured: Array<{ parley: Round; relay: Round }>): Line[] {
  const parley = percentiles(measured.flatMap((each) => each.parley.first))
  const relay = percentiles(measured.flatMap((each) => each.relay.first))
  const per = ({ cpu, tokens: count }: Round) => (cpu / count) * 1_000
  const cpu = {
    parley: median(measured.map((each) => per(each.parley))),
    relay: median(measured.map((each) => per(each.relay))),
  }
  // Promised at 50 streams.
  const isPromised = streams === 50
  return [
    {
      bench: 'streams',
      what: `first token added, p50, ${streams} streams`,
      measured: parley.p50 - relay.p50,
      unit: 'ms',
      ...(isPromised && { target: { atMost: 2 } }),
      of: `${round(parley.p50)} ms; relay ${round(relay.p50)} ms`,
    },
    {
      bench: 'streams',
      what: `first token added, p99, ${streams} streams`,
      measured: parley.p99 - relay.p99,
      unit: 'ms',
      ...(isPromised && { target: { atMost: 10 } }),
      of: `${round(parley.p99)} ms; relay ${round(relay.p99)} ms`,
    },
    {
      bench: 'streams',
      what: `CPU for a streamed event, ${streams} streams, of the relay's`,
      measured: median(measured.map((each) => per(each.parley) / per(each.relay))),
      unit: '×',
      target: { atMost: 2 },
      of: `${round(cpu.parley)} ms for 1,000; relay ${round(cpu.relay)} ms`,
    },
  ]
}
