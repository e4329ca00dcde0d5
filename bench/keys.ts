import { randomUUID } from 'node:crypto'
import { beginInteractions, type Latencies, median, middle, read, repeat, send } from './support/load.ts'
import { type Running, startParley } from './support/processes.ts'
import { makeFolder } from './support/folders.ts'
import { isQuick, type Line, round } from './support/report.ts'

const rounds = isQuick ? 2 : 10
const roundMs = isQuick ? 500 : 2_000
const clients = 16
const plain = JSON.stringify({ content: 'What is the capital of the country where the river Kwai is?' })
const careful = JSON.stringify({ ...JSON.parse(plain), on_busy: 'queue' })

/** What it costs a post that it is done once (Idempotency-Key), and says what is to be done where it is busy. */
export async function benchKeys(upstream: Running): Promise<Line[]> {
  const parley = await startParley({
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: 'openai/hang',
    DATABASE_URL: `sqlite:${makeFolder()}/parley.db`,
    // The posts are measured, not the answers: one hangs, the others wait.
    MAX_RUNNING_PER_PROVIDER: '1',
    MAX_QUEUED_REPLIES: '1000000',
    FIRST_TOKEN_TIMEOUT_MS: '3600000',
  })
  const targets = await beginInteractions(parley.url, 64)
  const post = async (client: number, body: string, headers: Record<string, string>) => {
    const id = targets[client % targets.length] ?? ''
    const { response } = await send('POST', `${parley.url}/v1/interactions/${id}/messages`, body, headers)
    const text = await read(response)
    if (response.statusCode !== 201) throw new Error(`${response.statusCode} ${text}`)
  }
  const postBare = () => repeat(clients, roundMs, (client) => post(client, plain, {}))
  const postKeyed = () =>
    repeat(clients, roundMs, (client) => post(client, careful, { 'idempotency-key': randomUUID() }))
  const measured: Array<{ keyed: Latencies; bare: Latencies }> = []
  await postBare()
  for (let done = 0; done < rounds; done += 1) {
    // Each is as often the first: the database grows meanwhile.
    const isBareFirst = done % 2 === 0
    const first = await (isBareFirst ? postBare() : postKeyed())
    const second = await (isBareFirst ? postKeyed() : postBare())
    measured.push(isBareFirst ? { bare: first, keyed: second } : { bare: second, keyed: first })
  }
  await parley.stop()
  const [keyed, bare] = [
    middle(measured.map((each) => each.keyed)),
    middle(measured.map((each) => each.bare)),
  ]
  return [
    {
      bench: 'keys',
      what: `posts with Idempotency-Key and on_busy, ${clients} clients, of the rate without`,
      measured: median(measured.map((each) => each.keyed.perSecond / each.bare.perSecond)),
      unit: '×',
      target: { atLeast: 0.85 },
      of: `${round(keyed.perSecond)}/s p50 ${round(keyed.p50)} ms; ${round(bare.perSecond)}/s p50 ${round(bare.p50)} ms`,
    },
  ]
}
