import { setTimeout as pause } from 'node:timers/promises'
import { beginInteractions, call, read, send } from '../../bench/support/load.ts'
import { residentMb, startHelper } from '../../bench/support/processes.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { until } from '../support/until.ts'
import { collectGarbage, type Heap } from './inspector.ts'

const warmUpTurns = 2_000
const steps = 4
const clients = 16
/** Turns of an interaction before the next one is begun: a history that grows is no leak. */
const turnsEach = 20
/** What growth may be: the noise of a collector that is in no hurry, over 8,000 turns. */
const maxHeapGrowthMb = 2
const maxResidentGrowthMb = 5

interface Sample {
  turns: number
  residentMb: number
  heap: Heap
}

/**
 * `npm run soak -- memory [<turns>]`: the server's memory after 2,000 turns and after 10,000, at rest each time:
 * what is resident, and what the heap holds after a collection. Resident memory alone growing is the allocator's
 * room; the heap growing is a leak. Resolves with whether neither grew.
 */
export async function soakMemory(turns = 10_000): Promise<boolean> {
  const upstream = await startHelper('upstream')
  const server = await spawnServer(
    { OPENAI_BASE_URL: `${upstream.url}/v1`, DEFAULT_MODEL: 'openai/tokens:20:0' },
    ['--inspect-port=127.0.0.1:0'],
  )
  const inspectorUrl = await openInspector(server)
  console.log(`idle after the start: ${(await residentAtRest(server.pid)).toFixed(1)} MB resident`)
  const samples: Sample[] = []
  await converse(server.url, warmUpTurns)
  samples.push(await sample(server.pid, inspectorUrl, warmUpTurns))
  const each = Math.ceil((turns - warmUpTurns) / steps)
  for (let step = 1; step <= steps; step += 1) {
    await converse(server.url, each)
    samples.push(await sample(server.pid, inspectorUrl, warmUpTurns + step * each))
  }
  console.table(
    samples.map(({ turns: done, residentMb: resident, heap }) => ({
      turns: done,
      'resident MB': resident.toFixed(1),
      'heap MB': heap.heapUsed.toFixed(2),
      'external MB': heap.external.toFixed(2),
    })),
  )
  await server.remove()
  await upstream.stop()
  return judge(samples)
}

function judge(samples: Sample[]): boolean {
  const [first, last] = [samples[0], samples.at(-1)]
  if (!first || !last) return false
  const resident = last.residentMb - first.residentMb
  const heap = last.heap.heapUsed + last.heap.external - first.heap.heapUsed - first.heap.external
  console.log(`growth: ${resident.toFixed(1)} MB resident (at most ${maxResidentGrowthMb})`)
  console.log(`        ${heap.toFixed(2)} MB of live objects (at most ${maxHeapGrowthMb})`)
  return resident <= maxResidentGrowthMb && heap <= maxHeapGrowthMb
}

/** Before the first turn, so that its own memory is in every sample. */
async function openInspector(server: ServerProcess): Promise<string> {
  server.send('SIGUSR1')
  return until('an inspector', () => /ws:\/\/\S+/.exec(server.complaints.join(''))?.[0])
}

/** `count` turns, half of them followed as streams and half waited for. */
async function converse(url: string, count: number): Promise<void> {
  let left = count
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (left > 0) {
        const [id] = await beginInteractions(url, 1)
        for (let turn = 0; turn < turnsEach && left > 0; turn += 1) {
          left -= 1
          await (turn % 2 === 0 ? follow(url, id) : wait(url, id))
        }
      }
    }),
  )
}

async function follow(url: string, id = '') {
  const body = JSON.stringify({ content: 'Hello', stream: true })
  const text = await read((await send('POST', `${url}/v1/interactions/${id}/messages`, body)).response)
  if (!text.includes('reply.completed')) throw new Error(text)
}

async function wait(url: string, id = '') {
  const body = { content: 'Hello', wait_ms: 30_000 }
  const posted = await call<{ reply: { status: string } }>(
    'POST',
    `${url}/v1/interactions/${id}/messages`,
    body,
  )
  if (posted.reply.status !== 'completed') throw new Error(JSON.stringify(posted))
}

/** After a collection, so that the samples differ in what is kept and not in what is yet to be collected. */
async function sample(pid: number, inspectorUrl: string, turns: number): Promise<Sample> {
  const heap = await collectGarbage(inspectorUrl)
  return { turns, residentMb: await residentAtRest(pid), heap }
}

/** The least of several, some time apart: what a process gives back, it gives back late. */
async function residentAtRest(pid: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let times = 0; times < 10; times += 1) {
    await pause(200)
    least = Math.min(least, residentMb(pid))
  }
  return least
}
