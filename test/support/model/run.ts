import { createRandom, type Random } from '../crash/random.ts'
import { createReaders } from '../crash/readers.ts'
import type { Reading } from '../crash/witness.ts'
import type { ServerProcess } from '../process.ts'
import { until } from '../until.ts'
import { type Behaviour, begin, sendChunk, type Upstream } from '../upstream.ts'
import { audit, type Logs, unlikeReading } from './audit.ts'
import { Divergence } from './explain.ts'
import { anyPolicy, type Move, nextMove } from './operations.ts'
import { listAll } from './send.ts'
import { createTalks, type Talk } from './talk.ts'

/** What a server needs to be held against the rules. */
export const modelEnv = {
  DEFAULT_MODEL: 'openai/echo',
  MAX_CRASHES: '1000',
  TOKEN_TIMEOUT_MS: '1800000',
}

/** Conversations that one client has at a time. */
const talksEach = 3
/** How often a reader leaves of its own accord, for each event: most logs are short. */
const leaves = 0.15
/** A kill meets what comes within so long. */
const maxPauseMs = 60

export interface Outcome {
  /** How often there was what. */
  counts: Record<string, number>
  /** What the rules do not allow, in words. */
  divergences: string[]
}

export interface ModelOptions {
  operations: number
  clients?: number
  /** The server is killed once in so many operations. */
  killEvery?: number
  /** Hears how many operations are left. */
  onKill?: (left: number) => void
}

/**
 * Many clients do `operations` random things, all at once, each in conversations of its own; after each the client
 * compares what it sees with the rules. In the end everything is compared. All choices come from the seed of
 * `random`; what clients meet depends on the time, too, so a failure may need some tries to be met again.
 */
export async function holdAgainstRules(
  server: ServerProcess,
  upstream: Upstream,
  random: Random,
  { operations, clients = 24, killEvery = 250, onKill }: ModelOptions,
): Promise<Outcome> {
  const waiting = new Set<object>()
  upstream.behaves('waits', waits(waiting))
  const readings: Reading[] = []
  const exceptions: string[] = []
  const readers = createReaders(server, { readings, exceptions }, createRandom(random.seed), leaves)
  const talks = createTalks(server, readers)
  const killer = createKiller(server)
  const counts: Record<string, number> = {}
  const divergences: string[] = []
  const kept: Talk[] = []
  let left = operations

  const client = async (number: number) => {
    const choices = createRandom(random.seed + number * 1_000_003)
    const mine: Talk[] = []
    let made = 0
    const unique = () => `${number}.${(made += 1)}`
    while (left > 0 && divergences.length === 0) {
      left -= 1
      if (left % killEvery === killEvery - 1) {
        // What it was asked is of no use any more.
        upstream.requests.length = 0
        killer.killAfter(choices.between(0, maxPauseMs))
        onKill?.(left)
        continue
      }
      if (mine.length < talksEach)
        mine.push(await talks.start(anyPolicy(choices), `${random.seed} ${unique()}`))
      const talk = choices.pick(mine)
      const move = nextMove(talk.state, choices, unique())
      const name = move.kind === 'operation' ? move.operation.kind : move.kind
      counts[name] = (counts[name] ?? 0) + 1
      const more = await make(talk, move)
      if (move.kind === 'remove' || move.kind === 'leave') mine.splice(mine.indexOf(talk), 1)
      if (move.kind === 'leave') kept.push(talk)
      if (more) (mine.length < talksEach + 1 ? mine : kept).push(more)
    }
    kept.push(...mine)
  }

  async function make(talk: Talk, move: Move): Promise<Talk | undefined> {
    switch (move.kind) {
      case 'operation':
        return talks.operate(talk, move.operation, move)
      case 'burst':
        await talks.burst(talk, move.posts)
        break
      case 'read': {
        const message = talk.state.messages.find(({ id }) => id === move.id)
        if (message?.model && !message.isCopy) readers.follow(move.id)
        break
      }
      case 'let them end':
        await talks.letThemEnd(talk)
        break
      case 'remove':
        await talks.remove(talk)
        break
      case 'leave':
        await talks.end(talk)
    }
    return undefined
  }

  const guarded = (work: () => Promise<unknown>) =>
    work().catch((error: unknown) => {
      if (!(error instanceof Divergence)) throw error
      divergences.push(error.message)
    })
  await Promise.all(Array.from({ length: clients }, (_, number) => guarded(() => client(number))))
  await killer.done()
  if (divergences.length === 0) await guarded(compareAll)

  async function compareAll() {
    const logs: Logs = new Map()
    const rest = [...kept]
    const auditor = async () => {
      for (let talk = rest.pop(); talk; talk = rest.pop()) {
        await talks.end(talk)
        divergences.push(...(await audit(server, talk, logs)))
      }
    }
    await Promise.all(Array.from({ length: clients }, auditor))
    await readers.done(15_000)
    if (readers.count > 0) divergences.push(`${readers.count} readers do not come to an end`)
    divergences.push(...readings.flatMap((reading) => unlikeReading(reading, logs) ?? []))
    const ids = (await listAll(server, '/v1/interactions?'))?.map(({ id }) => id).toSorted()
    const expected = kept.map(({ id }) => id).toSorted()
    if (ids?.join() !== expected.join()) {
      divergences.push(`expected ${expected.length} interactions, are ${ids?.length}`)
    }
    await until('every call to the model closed', () => waiting.size === 0, 10_000).catch((error: Error) =>
      divergences.push(error.message),
    )
    const messages = kept.flatMap(({ state }) => state.messages)
    Object.assign(counts, {
      kills: killer.kills,
      interactions: kept.length,
      branches: kept.reduce((sum, { state }) => sum + state.branches.length, 0),
      messages: messages.length,
      logs: logs.size,
      readers: readings.length,
      'their reconnections': readings.reduce((sum, { reconnects }) => sum + reconnects, 0),
    })
  }

  return { counts, divergences: [...divergences, ...exceptions, ...server.complaints] }
}

/** A model that says one word and then nothing, until its call is closed; `waiting` has the calls that are open. */
function waits(waiting: Set<object>): Behaviour {
  return (response) => {
    waiting.add(response)
    response.once('close', () => waiting.delete(response))
    begin(response)
    sendChunk(response, { content: 'Once ' })
  }
}

/** Kills a server while others go on, and starts it again. */
function createKiller(server: ServerProcess) {
  let killing: Promise<void> | undefined
  let kills = 0

  async function kill(afterMs: number) {
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    await server.end('SIGKILL')
    kills += 1
    await server.start()
    killing = undefined
  }

  return {
    get kills() {
      return kills
    },
    /** Unless it is about to be killed already. */
    killAfter(afterMs: number) {
      if (!killing) {
        killing = kill(afterMs)
        // It is heard of where it is waited for.
        killing.catch(() => {})
      }
    },
    done: async () => killing,
  }
}
