import { setTimeout as pause } from 'node:timers/promises'
import { makeDatabase } from '../support/databases.ts'
import { beginInteractions, type Latencies, median, middle, percentiles, repeat } from '../support/load.ts'
import { startNode } from '../support/node.ts'
import type { MeasuredPostgres } from '../support/postgres.ts'
import { cpuMs, type Running } from '../support/processes.ts'
import { isQuick, type Line, round } from '../support/report.ts'
import { turn } from '../turns.ts'

const rounds = isQuick ? 1 : 4
const roundMs = isQuick ? 2_000 : 8_000
const warmUpMs = isQuick ? 2_000 : 10_000
const settleMs = 1_500
const turnsPerSecond = 25
const clients = 64
/** So many that none of them gets a long history. */
const interactionCount = 2_000
/** A short answer that streams: 20 tokens in a fifth of a second. */
const model = 'tokens:20:10'

interface Group {
  nodes: Running[]
  ids: string[]
}

interface Round extends Latencies {
  nodeMsPerTurn: number
  postgresMsPerTurn: number
}

type Load = (group: Group, ms: number) => Promise<Latencies & { turns: number }>

/** What commits together costs less: two nodes that share the work of one have less of that than one. */
const loads: Array<{ what: string; load: Load; target?: Line['target'] }> = [
  {
    what: `at ${turnsPerSecond} turns/s in all`,
    load: (group, ms) => atRate(group, turnsPerSecond, ms),
    target: { atMost: 1.15 },
  },
  {
    what: `at ${turnsPerSecond} turns/s for each node`,
    load: (group, ms) => atRate(group, turnsPerSecond * group.nodes.length, ms),
  },
  { what: `as many as ${clients} clients get`, load: asMany, target: { atMost: 1.15 } },
]

/** What a whole turn costs, the CPU time of all nodes and of PostgreSQL, with two nodes and with one. */
export async function benchTwoNodes(postgres: MeasuredPostgres, upstream: Running): Promise<Line[]> {
  const one = await startGroup(postgres, upstream, 1)
  const two = await startGroup(postgres, upstream, 2)
  const groups = [one, two]
  for (const group of groups) {
    // For as long as each node needs to get as many.
    await awake(groups, group)
    await asMany(group, warmUpMs * group.nodes.length)
  }
  const lines: Line[] = []
  for (const { what, load, target } of loads) {
    const measured: Array<{ one: Round; two: Round }> = []
    for (let done = 0; done < rounds; done += 1) {
      measured.push({
        one: await runRound(postgres, groups, one, load),
        two: await runRound(postgres, groups, two, load),
      })
    }
    lines.push({ ...line(what, measured), ...(target && { target }) })
  }
  signal(groups, 'SIGCONT')
  await Promise.all(groups.flatMap(({ nodes }) => nodes.map((node) => node.stop())))
  return lines
}

async function startGroup(postgres: MeasuredPostgres, upstream: Running, count: number): Promise<Group> {
  const database = await makeDatabase(postgres, `turns_${count}`)
  const nodes: Running[] = []
  while (nodes.length < count) nodes.push(await startNode(database, upstream, model))
  return { nodes, ids: await beginInteractions(nodes[0]?.url ?? '', interactionCount) }
}

/** Lets only one group run: what the other does at rest would be counted, too. */
async function awake(groups: Group[], group: Group) {
  signal(groups, 'SIGSTOP')
  signal([group], 'SIGCONT')
  await pause(settleMs)
}

function signal(groups: Group[], name: 'SIGSTOP' | 'SIGCONT') {
  for (const { nodes } of groups) for (const { pid } of nodes) process.kill(pid, name)
}

async function runRound(
  postgres: MeasuredPostgres,
  groups: Group[],
  group: Group,
  load: Load,
): Promise<Round> {
  await awake(groups, group)
  const nodesMs = () => group.nodes.reduce((sum, { pid }) => sum + cpuMs(pid), 0)
  const before = { nodes: nodesMs(), postgres: postgres.cpuMs() }
  const { turns, ...latencies } = await load(group, roundMs)
  return {
    ...latencies,
    nodeMsPerTurn: (nodesMs() - before.nodes) / turns,
    postgresMsPerTurn: (postgres.cpuMs() - before.postgres) / turns,
  }
}

/** Turns that begin so often, all nodes together, whether those before have ended or not. */
async function atRate({ nodes, ids }: Group, perSecondInAll: number, ms: number) {
  const took: number[] = []
  const turns: Array<Promise<void>> = []
  const startedAt = performance.now()
  for (let next = 0; next < ms; next += 1_000 / perSecondInAll) {
    await pause(Math.max(0, startedAt + next - performance.now()))
    turns.push(oneTurn(nodes[turns.length % nodes.length], ids).then((each) => void took.push(each)))
  }
  await Promise.all(turns)
  const perSecond = turns.length / ((performance.now() - startedAt) / 1_000)
  return { turns: turns.length, perSecond, ...percentiles(took) }
}

async function asMany({ nodes, ids }: Group, ms: number) {
  let turns = 0
  const latencies = await repeat(clients, ms, async (client) => {
    await oneTurn(nodes[client % nodes.length], ids)
    turns += 1
  })
  return { turns, ...latencies }
}

async function oneTurn(node: Running | undefined, ids: string[]): Promise<number> {
  const startedAt = performance.now()
  await turn(node?.url ?? '', ids)
  return performance.now() - startedAt
}

function line(what: string, measured: Array<{ one: Round; two: Round }>): Line {
  const cost = (each: Round) => each.nodeMsPerTurn + each.postgresMsPerTurn
  const describe = (each: Round[]) => {
    const { perSecond, p50 } = middle(each)
    const nodes = median(each.map(({ nodeMsPerTurn }) => nodeMsPerTurn))
    const postgres = median(each.map(({ postgresMsPerTurn }) => postgresMsPerTurn))
    return `${round(nodes)} + ${round(postgres)} ms (PostgreSQL), ${round(perSecond)}/s p50 ${round(p50)} ms`
  }
  return {
    bench: 'cluster',
    what: `CPU for a turn with two nodes, ${what}, of that with one`,
    measured: median(measured.map(({ one, two }) => cost(two) / cost(one))),
    unit: '×',
    of: `${describe(measured.map(({ two }) => two))}; one ${describe(measured.map(({ one }) => one))}`,
  }
}
