import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../crash/random.ts'
import { until } from '../until.ts'
import type { Cluster, ClusterNode } from './cluster.ts'
import { couldNotStart } from './complaints.ts'
import type { Outages } from './outages.ts'
import type { Takeovers } from './takeovers.ts'

export type Fault = 'kill' | 'freeze' | 'crash of PostgreSQL' | 'restart of PostgreSQL' | 'sever' | 'cut'

/** How many there are of each, of a hundred. */
export type Shares = Record<Fault, number>

/** Freezing takes long, so it is rare. */
export const usualShares: Shares = {
  kill: 50,
  freeze: 8,
  'crash of PostgreSQL': 7,
  'restart of PostgreSQL': 5,
  sever: 15,
  cut: 15,
}

/** A frozen node is noticed after 10 s. */
const frozenMs = [10_000, 20_000] as const

export interface FaultOptions {
  times: number
  /** The longest pause between two faults. */
  pauseMs: number
  shares?: Shares
  /** Cuts the readers' connections. */
  cut: () => void
  onFault?: (count: number) => void
}

/**
 * Makes faults at random, one after the other; what follows from one may overlap with the next. At least one node
 * is always alive. Resolves with how many there were of each, when every node is up again.
 */
export async function makeFaults(
  { nodes, postgres, query, whenWell }: Cluster,
  random: Random,
  { outages, takeovers }: { outages: Outages; takeovers: Takeovers },
  { times, pauseMs, shares = usualShares, cut, onFault }: FaultOptions,
): Promise<Record<Fault, number>> {
  const deck = deal(times, shares, random)
  const made = Object.fromEntries(Object.keys(shares).map((fault) => [fault, 0])) as Record<Fault, number>
  const recoveries: Array<Promise<void>> = []
  const failures: unknown[] = []
  let restarting = Promise.resolve()

  function recovers(recovery: Promise<void>) {
    recoveries.push(recovery.catch((error: unknown) => void failures.push(error)))
  }

  /** One that may be taken away, because another one stays. */
  function spare(): Promise<ClusterNode> {
    return until(
      'two nodes up',
      () => {
        const up = nodes.filter(({ state }) => state === 'up')
        return up.length > 1 && random.pick(up)
      },
      60_000,
    )
  }

  async function kill() {
    const node = await spare()
    const making = await takeovers.madeBy(node)
    node.state = 'down'
    takeovers.watch('SIGKILL', making)
    await node.server.end('SIGKILL')
    recovers(startAgain(node))
  }

  /** As a supervisor does: where PostgreSQL is away, again. */
  async function startAgain(node: ClusterNode) {
    while (!(await hasStarted(node))) await restarting
    node.state = 'up'
  }

  async function freeze() {
    const node = await spare()
    const making = await takeovers.madeBy(node)
    node.state = 'frozen'
    takeovers.watch('SIGSTOP', making)
    node.server.send('SIGSTOP')
    recovers(goOn(node, random.between(...frozenMs)))
  }

  async function restart(how: 'immediate' | 'fast') {
    await restarting
    restarting = outages.during(() => postgres.restart(how))
    recovers(restarting)
  }

  /** Every connection of every node, while they are in use. */
  async function sever() {
    await restarting
    await query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'parley%'`,
    )
  }

  const make: Record<Fault, () => Promise<void> | void> = {
    kill,
    freeze,
    'crash of PostgreSQL': () => restart('immediate'),
    'restart of PostgreSQL': () => restart('fast'),
    sever,
    cut,
  }

  for (const [index, fault] of deck.entries()) {
    await pause(random.between(0, pauseMs))
    if (failures.length > 0) throw failures[0]
    await make[fault]()
    made[fault] += 1
    onFault?.(index + 1)
  }
  await Promise.all(recoveries)
  if (failures.length > 0) throw failures[0]
  await whenWell()
  return made
}

/** As many of each as its share says, in any order. */
function deal(times: number, shares: Shares, random: Random): Fault[] {
  const all = (Object.keys(shares) as Fault[]).flatMap((fault) => Array<Fault>(shares[fault]).fill(fault))
  return Array.from({ length: times }, (_, index) => ({
    fault: all[Math.floor(((index + 0.5) / times) * all.length)] ?? 'kill',
    place: random.next(),
  }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ fault }) => fault)
}

async function hasStarted({ server }: ClusterNode): Promise<boolean> {
  return server.start().then(
    () => true,
    (error: Error) => {
      if (couldNotStart.test(error.message)) return false
      throw error
    },
  )
}

async function goOn(node: ClusterNode, afterMs: number) {
  await pause(afterMs)
  node.server.send('SIGCONT')
  node.state = 'up'
}
