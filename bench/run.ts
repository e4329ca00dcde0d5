import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { benchCluster } from './cluster.ts'
import { benchGateway } from './gateway.ts'
import { benchKeys } from './keys.ts'
import { benchMemory } from './memory.ts'
import { benchPages } from './pages.ts'
import { benchPosts } from './posts.ts'
import { benchStreams } from './streams.ts'
import { startHelper } from './support/processes.ts'
import { isMet, isQuick, type Line, printLines } from './support/report.ts'
import { benchTurns } from './turns.ts'

// npm run bench [-- <posts | keys | turns | streams | gateway | pages | memory | cluster>…]: all of them, or those. BENCH_QUICK=1 is
// a short run, to see that they work. Figures are ratios to a floor that is measured in turn with the server, because
// those mean the same on any machine. Results are also written to bench/results/.

const benches = new Map([
  ['posts', benchPosts],
  ['keys', benchKeys],
  ['turns', benchTurns],
  ['streams', benchStreams],
  ['gateway', benchGateway],
  ['pages', benchPages],
  ['memory', benchMemory],
  ['cluster', benchCluster],
])
const results = new URL('results/', import.meta.url)

const wanted = process.argv.slice(2)
const unknown = wanted.find((name) => !benches.has(name))
if (unknown) throw new Error(`there is no bench "${unknown}", only ${[...benches.keys()].join(', ')}`)

const upstream = await startHelper('upstream')
const lines: Line[] = []
for (const [name, bench] of benches) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`${name} …`)
  lines.push(...(await bench(upstream)))
}
await upstream.stop()
printLines(lines)
write(lines)
process.exit()

function write(measured: Line[]) {
  const at = new Date().toISOString()
  const report = {
    at,
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    isQuick,
    lines: measured.map((each) => ({ ...each, met: isMet(each) })),
  }
  mkdirSync(results, { recursive: true })
  const file = new URL(`${at.replaceAll(':', '-').slice(0, 19)}.json`, results)
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
  console.log(`written to ${file.pathname}`)
}
