import { setTimeout as pause } from 'node:timers/promises'
import { makeDatabase, numberFrom } from '../support/databases.ts'
import { beginInteractions, call, percentiles, send } from '../support/load.ts'
import { startNode } from '../support/node.ts'
import type { MeasuredPostgres } from '../support/postgres.ts'
import type { Running } from '../support/processes.ts'
import { isQuick, type Line, round } from '../support/report.ts'
import { sharedNowMs, stampsIn } from '../support/stamps.ts'

const streams = 200
const settleMs = 3_000
const windowMs = isQuick ? 5_000 : 30_000
/** So many that no answer ends in the window. */
const tokensPerReply = 100_000

/** From the upstream's write of a token to a reader on a node that does not make the answer. */
export async function benchTokenLatency(postgres: MeasuredPostgres, upstream: Running): Promise<Line[]> {
  const promised = await measure(postgres, upstream, 50)
  const busier = await measure(postgres, upstream, 1_000)
  const what = (percentile: string, rate: string) =>
    `token to a reader on another node, ${percentile}, ${streams} streams, ${rate} tokens/s in all`
  return [
    line(what('p50', '50'), promised.p50, promised.of, 25),
    line(what('p99', '50'), promised.p99, promised.of, 100),
    line(what('p50', '1,000'), busier.p50, `p99 ${round(busier.p99)} ms; ${busier.of}`),
  ]
}

async function measure(postgres: MeasuredPostgres, upstream: Running, tokensPerSecond: number) {
  const database = await makeDatabase(postgres, `tokens_${tokensPerSecond}`)
  const pauseMs = (streams * 1_000) / tokensPerSecond
  const model = `stamped:${tokensPerReply}:${pauseMs}`
  const reader = await startNode(database, upstream, model, { ROLE: 'api' })
  const readersNumber = await numberFrom(database, 'select max(number) from nodes')
  const maker = await startNode(database, upstream, model, { ROLE: 'worker' })

  const ages: number[] = []
  const ids = await beginInteractions(reader.url, streams)
  // At any time, not in step: what gathers for some time would hide it, or make it look worse.
  await Promise.all(ids.map((id) => pause(Math.random() * pauseMs).then(() => followOne(reader, id, ages))))
  await pause(settleMs)
  ages.length = 0
  await pause(windowMs)
  const measured = [...ages]

  const made = `select count(*) filter (where node <> ${readersNumber}) * 1.0 / count(*) from replies`
  const elsewhere = await numberFrom(database, made)
  await Promise.all([reader.stop(), maker.stop()])
  return {
    ...percentiles(measured),
    of: `${measured.length} tokens, ${round(elsewhere * 100)} % of the answers made on the other node`,
  }
}

/** Posts, and reads the answer's tokens as long as it runs: their ages go to `ages`. */
async function followOne({ url }: Running, id: string, ages: number[]): Promise<void> {
  const posted = await call<{ reply: { id: string } }>('POST', `${url}/v1/interactions/${id}/messages`, {
    content: 'Hello',
  })
  const { response } = await send('GET', `${url}/v1/messages/${posted.reply.id}/events`)
  if (response.statusCode !== 200) throw new Error(`a stream was answered with ${response.statusCode}`)
  response.setEncoding('utf8')
  let rest = ''
  response.on('data', (chunk: string) => {
    const now = sharedNowMs()
    const frames = (rest + chunk).split('\n\n')
    rest = frames.pop() ?? ''
    for (const frame of frames) for (const sentAt of stampsIn(frame)) ages.push(now - sentAt)
  })
}

function line(what: string, measured: number, of: string, atMost?: number): Line {
  return {
    bench: 'cluster',
    what,
    measured,
    unit: 'ms',
    of,
    ...(atMost !== undefined && { target: { atMost } }),
  }
}
