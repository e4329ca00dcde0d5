import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Notices, Session } from '../storage/notices.ts'
import type { Storage } from '../storage/storage.ts'

/** Advisory locks of nodes, among all others of the database: 'prly' in ASCII. */
const lockSpace = 0x7072_6c79
const lookMs = 500
/** A node that lost its connection has this many looks to come back before it is taken for dead. */
const looksBeforeDeath = 2
/** The lock of this node may be held for a moment: by others, who look, or by its last connection, which ends. */
const lockTries = 20
const lockPauseMs = 50

/**
 * Which nodes live. Each holds a session lock, which PostgreSQL frees some milliseconds after its process dies;
 * the others look twice a second, and hand what the dead one was doing back to the queue.
 */
export interface Nodes {
  /** The number of this node, for the rows that say who does something; undefined while it has no connection. */
  readonly number: number | undefined
  start(): void
  stop(): Promise<void>
}

/** How many nodes run on the database. Only looks, so that no node that comes meanwhile misses its lock. */
export async function countLiveNodes({ db }: Storage): Promise<number> {
  const { rows } = await sql`
    select 1 from pg_locks where locktype = 'advisory' and classid = ${lockSpace} and granted
    and database = (select oid from pg_database where datname = current_database())`.execute(db)
  return rows.length
}

export function createNodes(parts: {
  storage: Storage
  notices: Notices
  /** Hands back what the node was doing. May be called more than once. */
  onDead: (node: number) => Promise<void>
  now: Clock
  log: Log
}): Nodes {
  const { storage, notices, onDead, now, log } = parts
  let number: number | undefined
  let timer: NodeJS.Timeout | undefined
  let suspects = new Map<number, number>()
  let isLooking = false

  notices.onConnect(register)

  /** Takes its old number again where it has one, by which others know what it is doing. */
  async function register(session: Session) {
    if (number !== undefined && (await takeAgain(session, number))) return
    const { rows } = await session.query('insert into nodes (started_at) values ($1) returning number', [
      now(),
    ])
    number = Number(rows[0]?.['number'])
    await holds(session, number)
  }

  /** Also where it was taken for dead, and its number removed. */
  async function takeAgain(session: Session, mine: number): Promise<boolean> {
    await session.query(
      'insert into nodes (number, started_at) overriding system value values ($1, $2) on conflict do nothing',
      [mine, now()],
    )
    for (let tries = 0; tries < lockTries; tries += 1) {
      if (await holds(session, mine)) return true
      await pause(lockPauseMs)
    }
    return false
  }

  async function holds(session: Session, candidate: number): Promise<boolean> {
    const { rows } = await session.query(
      'select pg_try_advisory_lock($1, number) as held from nodes where number = $2',
      [lockSpace, candidate],
    )
    return rows[0]?.['held'] === true
  }

  async function look() {
    const free = await storage.write(async (tx) => {
      const { rows } = await sql<{ number: number }>`
        select number from nodes
        where number <> ${number ?? 0} and pg_try_advisory_xact_lock(${lockSpace}, number)`.execute(tx)
      return rows.map((row) => row.number)
    })
    const seen = new Map(free.map((node) => [node, (suspects.get(node) ?? 0) + 1]))
    suspects = seen
    for (const [node, looks] of seen) if (looks >= looksBeforeDeath) await bury(node)
  }

  async function bury(node: number) {
    await onDead(node)
    await storage.write(async (tx) => {
      await tx.deleteFrom('nodes').where('number', '=', node).execute()
    })
    suspects.delete(node)
    log.info({ node }, 'a node is gone; what it was doing goes on elsewhere')
  }

  return {
    get number() {
      return number
    },
    start() {
      timer = setInterval(() => {
        if (isLooking) return
        isLooking = true
        look()
          .catch((error: unknown) => log.debug({ err: error }, 'nodes could not be looked at'))
          .finally(() => (isLooking = false))
      }, lookMs)
    },
    async stop() {
      clearInterval(timer)
      if (number === undefined) return
      await storage
        .write(async (tx) => {
          await tx
            .deleteFrom('nodes')
            .where('number', '=', number ?? 0)
            .execute()
        })
        .catch(() => {})
    },
  }
}
