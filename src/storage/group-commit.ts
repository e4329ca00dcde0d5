import type { SqliteConnection } from './sqlite-connection.ts'
import { runEffects } from './write-scope.ts'

const maxTogether = 256

interface Waiting {
  /** Does the work inside the open transaction; the effects to run once it is durable. */
  work: () => Promise<Array<() => void>>
  committed: () => void
  failed: (reason: unknown) => void
}

/**
 * Commits what arrives together with one `fsync`: while one commit is under way the next ones gather, and
 * under load the batches form by themselves. Each piece of work has a savepoint of its own, so that one that
 * throws takes nothing else with it.
 */
export function createGroupCommit(writer: SqliteConnection) {
  const gathering: Waiting[] = []
  let underWay: Promise<void> | undefined

  function enqueue(work: Waiting['work']): Promise<void> {
    return new Promise((committed, failed) => {
      gathering.push({ work, committed, failed })
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
    const done: Array<{ waiting: Waiting; effects: Array<() => void> }> = []
    try {
      writer.run('begin immediate', [])
      for (const waiting of batch) {
        const effects = await attempt(waiting)
        if (effects) done.push({ waiting, effects })
      }
      writer.run('commit', [])
    } catch (reason) {
      if (writer.isInTransaction) writer.exec('rollback')
      for (const waiting of batch) waiting.failed(reason)
      return
    }
    for (const { waiting, effects } of done) {
      runEffects(effects)
      waiting.committed()
    }
  }

  async function attempt(waiting: Waiting) {
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
      waiting.failed(reason)
      return undefined
    }
  }

  return {
    enqueue,
    /** Resolves when nothing is waiting any more. */
    settled: async () => underWay,
  }
}
