import { ParleyError } from '../errors.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import type { Wal } from './sqlite-wal.ts'
import { type Effects, runEffects } from './write-scope.ts'

const maxTogether = 256
/** More work than this would wait longer for another thread than its disk takes. */
const maxAside = 4

interface Waiting {
  /** Does the work inside the open transaction; the effects to run once it is committed, and durable. */
  work: () => Promise<Effects>
  durable: () => void
  failed: (reason: unknown) => void
}

/**
 * Commits what arrives together and brings it to the disk with one `fsync`: while one batch is under way the
 * next one gathers, and under load the batches form by themselves. Each piece of work has a savepoint of its own,
 * so that one that throws takes nothing else with it.
 *
 * A small batch is brought to the disk by another thread, while its `atCommit` effects run: so a model is asked
 * before its question is durable, which nobody outside can see.
 */
export function createGroupCommit(writer: SqliteConnection, wal: Pick<Wal, 'sync' | 'syncNow'>) {
  const gathering: Waiting[] = []
  let underWay: Promise<void> | undefined
  let syncing: Promise<void> | undefined
  let broken: ParleyError | undefined

  function enqueue(work: Waiting['work']): Promise<void> {
    return new Promise((durable, failed) => {
      gathering.push({ work, durable, failed })
      // Alone it goes at once; what comes while it is being committed goes together with the next one.
      underWay ??= commitAll()
    })
  }

  async function commitAll() {
    while (gathering.length > 0) {
      const batch = gathering.splice(0, maxTogether)
      await commitTogether(batch)
      // Lets sockets be read, and the next batch gather, between two commits.
      await new Promise(setImmediate)
    }
    underWay = undefined
  }

  async function commitTogether(batch: Waiting[]) {
    const done: Array<{ waiting: Waiting; effects: Effects }> = []
    const refused: Array<() => void> = []
    try {
      if (broken) throw broken
      writer.run('begin immediate', [])
      for (const waiting of batch) {
        const effects = await attempt(waiting, (reason) => refused.push(() => waiting.failed(reason)))
        if (effects) done.push({ waiting, effects })
      }
      writer.run('commit', [])
      await bringToDisk(done.flatMap(({ effects }) => effects.atCommit))
    } catch (reason) {
      if (writer.isInTransaction) writer.exec('rollback')
      for (const waiting of batch) waiting.failed(reason)
      return
    }
    for (const { waiting, effects } of done) {
      runEffects(effects.afterCommit)
      waiting.durable()
    }
    // Not before: what made them fail may be in the same batch, and is there to be read only now.
    for (const refuse of refused) refuse()
  }

  async function bringToDisk(meanwhile: Array<() => void>) {
    const isAside = meanwhile.length > 0 && meanwhile.length <= maxAside
    try {
      if (isAside) syncing = wal.sync()
      else wal.syncNow()
      runEffects(meanwhile)
      await syncing
    } catch (cause) {
      // What the disk holds is not known any more, and another try would not say: the next process reads it.
      broken = new ParleyError('storage_unavailable', 'The disk of the database reports an error.', { cause })
      queueMicrotask(() => {
        throw broken
      })
      throw broken
    } finally {
      syncing = undefined
    }
  }

  async function attempt(waiting: Waiting, fail: (reason: unknown) => void) {
    writer.run('savepoint work', [])
    try {
      const effects = await waiting.work()
      writer.run('release work', [])
      return effects
    } catch (reason) {
      // A full disk or a broken file ends the whole transaction: then nobody's work is saved.
      if (!writer.isInTransaction) throw reason
      writer.run('rollback to work', [])
      writer.run('release work', [])
      fail(reason)
      return undefined
    }
  }

  return {
    enqueue,
    /** Resolves when all that is committed by now is on the disk; undefined where it is already. */
    get durable() {
      return syncing
    },
    /** Resolves when nothing is waiting any more. */
    settled: async () => underWay,
  }
}
