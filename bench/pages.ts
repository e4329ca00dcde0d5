import { join } from 'node:path'
import { beginInteractions, type Latencies, median, middle, read, repeat, send } from './support/load.ts'
import { startParley } from './support/processes.ts'
import { makeFolder } from './support/folders.ts'
import { isQuick, type Line, round } from './support/report.ts'
import { seedMessages } from './support/seed-messages.ts'

const rounds = isQuick ? 3 : 7
const roundMs = isQuick ? 300 : 1_500
const clients = 4
const few = 50
const many = 100_000

/** A page of 50 messages: from an interaction that has no more, and from one of 100,000. */
export async function benchPages(): Promise<Line[]> {
  const folder = makeFolder()
  const databasePath = join(folder, 'parley.db')
  const env = { DATABASE_URL: `sqlite:${databasePath}` }
  const first = await startParley(env)
  const [short = '', long = ''] = await beginInteractions(first.url, 2)
  await first.stop()
  seedMessages(databasePath, short, few)
  const ids = seedMessages(databasePath, long, many)
  const parley = await startParley(env)

  const pages = {
    short: `${parley.url}/v1/interactions/${short}/messages?limit=50`,
    first: `${parley.url}/v1/interactions/${long}/messages?limit=50`,
    middle: `${parley.url}/v1/interactions/${long}/messages?limit=50&after=${ids[many / 2]}`,
    last: `${parley.url}/v1/interactions/${long}/messages?limit=50&order=desc`,
  }
  const measured: Array<Record<keyof typeof pages, Latencies>> = []
  const one = (url: string) => repeat(clients, roundMs, () => page(url))
  for (let done = 0; done <= rounds; done += 1) {
    measured.push({
      short: await one(pages.short),
      first: await one(pages.first),
      middle: await one(pages.middle),
      last: await one(pages.last),
    })
  }
  await parley.stop()
  // The first round was for warming up.
  const warm = measured.slice(1)
  return (['first', 'middle', 'last'] as const).map((which) => line(which, warm))
}

async function page(url: string) {
  const { response } = await send('GET', url)
  const text = await read(response)
  if (response.statusCode !== 200) throw new Error(text)
}

function line(
  which: 'first' | 'middle' | 'last',
  measured: Array<Record<'short' | typeof which, Latencies>>,
): Line {
  const long = middle(measured.map((each) => each[which]))
  const short = middle(measured.map((each) => each.short))
  return {
    bench: 'pages',
    what: `${which} page of ${many.toLocaleString('en')} messages, time of a page of ${few}`,
    measured: median(measured.map((each) => each.short.perSecond / each[which].perSecond)),
    unit: '×',
    target: { atMost: 1.3 },
    of: `p50 ${round(long.p50)} ms, ${round(long.perSecond)}/s; ${round(short.p50)} ms, ${round(short.perSecond)}/s`,
  }
}
