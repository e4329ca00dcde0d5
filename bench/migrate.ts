import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readContents } from '../test/support/contents.ts'
import { migrate } from '../test/support/migrate.ts'
import { findPostgres, startPostgres } from '../test/support/postgres-server.ts'
import { beginInteractions, call } from './support/load.ts'
import { startParley } from './support/processes.ts'

const turnsPerInteraction = 50
const together = 64

/**
 * `node bench/migrate.ts [messages]`: has so many messages said by HTTP on SQLite, copies them to a PostgreSQL
 * that waits for its disk, and back to another SQLite file; reads everything through the API of each of the
 * three, and compares it byte for byte.
 */
async function benchMigrate(messages: number): Promise<boolean> {
  const bin = findPostgres()
  if (!bin) throw new Error('no PostgreSQL: install it (apt-get install postgresql)')
  const folder = mkdtempSync(join(tmpdir(), 'parley-bench-'))
  const postgres = await startPostgres(bin, { fsync: 'on', shared_buffers: '512MB', max_wal_size: '4GB' })
  const places = [`sqlite:${folder}/one.db`, postgres.url, `sqlite:${folder}/other.db`]
  try {
    const seconds = await timed(() => converse(places[0] ?? '', messages))
    say(`${messages} messages said in ${seconds} s`)
    await copy(places[0] ?? '', places[1] ?? '')
    await copy(places[1] ?? '', places[2] ?? '')
    const hashes: string[] = []
    for (const place of places) hashes.push(await hashOf(place))
    const isSame = new Set(hashes).size === 1
    say(isSame ? 'The three answer the same, byte for byte.' : 'THEY DO NOT ANSWER THE SAME.')
    return isSame
  } finally {
    await postgres.remove()
    rmSync(folder, { recursive: true })
  }
}

async function converse(databaseUrl: string, messages: number) {
  const parley = await startParley({ DATABASE_URL: databaseUrl, ELIZA_TOKEN_MS: '1' })
  const ids = await beginInteractions(parley.url, Math.ceil(messages / 2 / turnsPerInteraction))
  const speaker = async () => {
    for (let id = ids.pop(); id; id = ids.pop()) {
      for (let turn = 1; turn <= turnsPerInteraction; turn += 1) {
        const body = { content: `I am worried about exam ${turn}`, wait_ms: 60_000 }
        await call('POST', `${parley.url}/v1/interactions/${id}/messages`, body)
      }
    }
  }
  await Promise.all(Array.from({ length: together }, speaker))
  await parley.stop()
}

async function copy(from: string, to: string) {
  let said = ''
  const seconds = await timed(async () => {
    const ended = await migrate(from, to)
    if (ended.code !== 0) throw new Error(ended.said)
    said = ended.said
  })
  const counts = [...said.matchAll(/([\d,]+) rows {2}SHA/g)].map(([, rows = '']) =>
    Number(rows.replaceAll(',', '')),
  )
  const rows = counts.reduce((sum, count) => sum + count, 0)
  say(said)
  const ways = `${from.split(':')[0]} to ${to.split(':')[0]}`
  say(`${ways}: ${rows} rows in ${seconds} s, with the comparison: ${Math.round(rows / seconds)} rows/s\n`)
}

/** One hash of all that a server on the database answers. */
async function hashOf(databaseUrl: string): Promise<string> {
  const parley = await startParley({ DATABASE_URL: databaseUrl })
  const contents = await readContents(parley.url, (body) => createHash('sha256').update(body).digest('hex'))
  await parley.stop()
  const inOrder = [...contents].toSorted(([one], [other]) => (one < other ? -1 : 1))
  const hash = createHash('sha256').update(JSON.stringify(inOrder)).digest('hex')
  say(`${contents.size} answers of the API: SHA-256 ${hash}`)
  return hash
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return Math.round((performance.now() - startedAt) / 100) / 10
}

function say(line: string) {
  process.stdout.write(`${line}\n`)
}

if (!(await benchMigrate(Number(process.argv[2] ?? 100_000)))) process.exitCode = 1
