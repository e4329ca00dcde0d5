import { setTimeout as pause } from 'node:timers/promises'
import { isEnd } from '../crash/readers.ts'
import type { Cluster, ClusterNode } from './cluster.ts'
import type { Outages } from './outages.ts'

/** The advisory locks of nodes (src/jobs/nodes.ts). */
const lockSpace = 0x7072_6c79
const longestMs = 120_000
const againMs = 20

export type Signal = 'SIGKILL' | 'SIGSTOP'

/** A reply in the making, and the attempt that makes it. */
export interface Making {
  id: string
  attempt: number
}

export interface Takeover {
  signal: Signal
  id: string
  /** From the signal until a reader saw the next attempt. */
  tookMs: number
  /** PostgreSQL was away meanwhile. */
  metOutage: boolean
}

/** Measures how long the replies of a node that is gone stand still, as their readers see it. */
export interface Takeovers {
  /** What a node is making; nothing where PostgreSQL is away and cannot tell. */
  madeBy(node: ClusterNode): Promise<Making[]>
  /** Follows them from now on, at the nodes that are left. */
  watch(signal: Signal, making: Making[]): void
  /** All of them, when each was seen. Those that ended before the signal reached their node are not among them. */
  all(): Promise<Takeover[]>
}

export function createTakeovers({ nodes, query }: Cluster, outages: Outages): Takeovers {
  const watched: Array<Promise<Takeover | undefined>> = []

  async function measure(signal: Signal, { id, attempt }: Making): Promise<Takeover | undefined> {
    const from = performance.now()
    const isTaken = await isTakenOver(id, attempt, AbortSignal.timeout(longestMs))
    const to = performance.now()
    return isTaken ? { signal, id, tookMs: to - from, metOutage: outages.hasBetween(from, to) } : undefined
  }

  /** False where it ended without. */
  async function isTakenOver(id: string, attempt: number, late: AbortSignal): Promise<boolean> {
    let lastId = 0
    while (!late.aborted) {
      const up = nodes.find(({ state }) => state === 'up')
      const headers = { 'last-event-id': String(lastId) }
      const stream = await up?.server.open(`/v1/messages/${id}/events`, { headers }).catch(() => undefined)
      const close = () => stream?.close()
      late.addEventListener('abort', close)
      for await (const event of stream?.status === 200 ? stream.events : []) {
        const isNext = event.type === 'reply.restarted' && Number(event.data['attempt']) > attempt
        if (isNext || isEnd(event)) {
          close()
          return isNext
        }
        lastId = event.id ?? lastId
      }
      await pause(againMs)
    }
    return true
  }

  return {
    madeBy: ({ user }) =>
      query<Making>(
        `select r.id, r.attempt from replies r
         join pg_locks l on l.objid = r.node and l.locktype = 'advisory' and l.classid = ${lockSpace} and l.granted
         join pg_stat_activity a on a.pid = l.pid and a.usename = $1
         where r.status = 'in_progress'`,
        [user],
      ).catch(() => []),
    watch: (signal, making) => void watched.push(...making.map((one) => measure(signal, one))),
    all: async () => (await Promise.all(watched)).filter((one) => one !== undefined),
  }
}
