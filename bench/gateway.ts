import { median, send } from './support/load.ts'
import { makeFolder } from './support/folders.ts'
import { startPeer } from './support/peer.ts'
import { cpuMs, type Running, startParley } from './support/processes.ts'
import { isQuick, type Line, round } from './support/report.ts'

const rounds = isQuick ? 1 : 3
const roundMs = isQuick ? 3_000 : 10_000
const warmUpTurns = isQuick ? 100 : 1_000
/** Open at the same time: Parley writes what comes within a moment at once, which costs less the more there is. */
const loads = isQuick ? [50] : [50, 200]
const tokens = 250
const pauseMs = 20

/**
 * It adds headers to the answers that `fetch` gives it, which cannot be added to with the hono that npm installs
 * with it: every stream would end in a 500. Once for each answer, so that it makes no difference to its events.
 */
const ownHeaders = `
const { fetch } = globalThis
globalThis.fetch = async (...given) => {
  const { body, status, statusText, headers } = await fetch(...given)
  return new Response(body, { status, statusText, headers: new Headers(headers) })
}`

interface Target {
  running: Running
  /** Where completions are asked for, and with what beside the request. */
  url: string
  headers: Record<string, string>
  body: (model: string) => string
}

/**
 * A streamed chat completion, stored and resumable, against a stateless gateway on Node (`@portkey-ai/gateway`),
 * which passes the same stream of the same upstream on.
 */
export async function benchGateway(upstream: Running): Promise<Line[]> {
  const targets = { parley: await parleyTarget(upstream), gateway: await gatewayTarget(upstream) }
  for (const target of Object.values(targets))
    for (let turn = 0; turn < warmUpTurns; turn += 1) await completion(target, 'tokens:5:0')
  const lines: Line[] = []
  for (const streams of loads) lines.push(await compare(targets, streams))
  for (const { running } of Object.values(targets)) await running.stop()
  return lines
}

async function compare(targets: Record<'parley' | 'gateway', Target>, streams: number): Promise<Line> {
  for (const target of Object.values(targets)) await runRound(target, streams, roundMs / 4)
  const measured: Array<{ parley: number; gateway: number }> = []
  for (let done = 0; done < rounds; done += 1) {
    measured.push({
      gateway: await runRound(targets.gateway, streams, roundMs),
      parley: await runRound(targets.parley, streams, roundMs),
    })
  }
  const of = (name: 'parley' | 'gateway') => round(median(measured.map((each) => each[name])))
  return {
    bench: 'gateway',
    what: `CPU for an event of a streamed chat completion, ${streams} streams, of a stateless gateway's`,
    measured: median(measured.map(({ parley, gateway }) => parley / gateway)),
    unit: '×',
    target: { atMost: 1 },
    of: `${of('parley')} ms for 1,000; gateway ${of('gateway')} ms`,
  }
}

async function parleyTarget(upstream: Running): Promise<Target> {
  const running = await startParley({
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: 'openai/tokens:5:0',
    DATABASE_URL: `sqlite:${makeFolder()}/parley.db`,
  })
  const body = (model: string) => bodyOf({ model: `openai/${model}`, store: true })
  return { running, url: `${running.url}/v1/chat/completions`, headers: {}, body }
}

async function gatewayTarget(upstream: Running): Promise<Target> {
  const running = await startPeer(
    '@portkey-ai/gateway@1.15.2',
    'build/start-server.js',
    (port) => [`--port=${port}`, '--headless'],
    ownHeaders,
  )
  const headers = {
    authorization: 'Bearer any',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${upstream.url}/v1`,
  }
  const body = (model: string) => bodyOf({ model })
  return { running, url: `${running.url}/v1/chat/completions`, headers, body }
}

function bodyOf(more: object): string {
  return JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], stream: true, ...more })
}

/** CPU in ms for 1,000 events, with all streams open for `ms`, begun at different times. */
async function runRound(target: Target, streams: number, ms: number): Promise<number> {
  let turns = 0
  const before = cpuMs(target.running.pid)
  const until = performance.now() + ms
  await Promise.all(
    Array.from({ length: streams }, async (_, index) => {
      await new Promise((resolve) => setTimeout(resolve, (index / streams) * tokens * pauseMs))
      while (performance.now() < until) {
        await completion(target, `tokens:${tokens}:${pauseMs}`)
        turns += 1
      }
    }),
  )
  return ((cpuMs(target.running.pid) - before) / (turns * tokens)) * 1_000
}

async function completion({ url, headers, body }: Target, model: string): Promise<void> {
  const { response } = await send('POST', url, body(model), headers)
  let text = ''
  response.setEncoding('utf8')
  for await (const chunk of response) text = (text + String(chunk)).slice(-500)
  if (response.statusCode !== 200 || !text.includes('[DONE]'))
    throw new Error(`a completion ended ${response.statusCode} with ${text}`)
}
