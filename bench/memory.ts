import { setTimeout as pause } from 'node:timers/promises'
import { median } from './support/load.ts'
import { residentMb, type Running, startHelper, startParley } from './support/processes.ts'
import { isQuick, type Line, round } from './support/report.ts'

const streams = isQuick ? 500 : 5_000
const samples = isQuick ? 10 : 50
const sampleEveryMs = 200
/** A token at once, then one every ten seconds. */
const model = 'tokens:1000:10000'

/** Resident memory: idle after the start, and with 5,000 open event streams on replies in the making. */
export async function benchMemory(upstream: Running): Promise<Line[]> {
  // What is compiled is kept for the next start by one that ends well.
  await (await startParley({})).stop()
  return [
    await idle('idle', {}),
    // The first start on a machine has nothing compiled from an earlier one.
    await idle('idle after the very first start', { NODE_DISABLE_COMPILE_CACHE: '1' }),
    await withStreams(upstream, { readersEach: 20, target: { atMost: 250 } }),
    await withStreams(upstream, { readersEach: 1 }),
  ]
}

async function idle(what: string, env: Record<string, string>): Promise<Line> {
  const parley = await startParley(env)
  const mb = await resident(parley.pid)
  await parley.stop()
  return {
    bench: 'memory',
    what,
    measured: median(mb),
    unit: 'MB',
    target: { atMost: 130 },
    of: range(mb),
  }
}

async function withStreams(
  upstream: Running,
  { readersEach, target }: { readersEach: number } & Pick<Line, 'target'>,
): Promise<Line> {
  const replies = streams / readersEach
  const parley = await startParley({
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: `openai/${model}`,
    MAX_RUNNING_REPLIES: String(replies),
    MAX_RUNNING_PER_PROVIDER: String(replies),
  })
  const clients = await startHelper('stream-clients', {
    PARLEY: parley.url,
    REPLIES: String(replies),
    READERS_EACH: String(readersEach),
  })
  const mb = await resident(parley.pid)
  await clients.stop()
  await parley.stop()
  return {
    bench: 'memory',
    what: `${streams.toLocaleString('en')} open streams, on ${replies.toLocaleString('en')} replies in the making`,
    measured: median(mb),
    unit: 'MB',
    ...(target && { target }),
    of: range(mb),
  }
}

async function resident(pid: number): Promise<number[]> {
  const measured: number[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    await pause(sampleEveryMs)
    measured.push(residentMb(pid))
  }
  return measured
}

function range(mb: number[]): string {
  return `from ${round(Math.min(...mb))} to ${round(Math.max(...mb))} MB`
}
