import { existsSync, realpathSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StartupError } from '../errors.ts'
import { explainOpenFailure } from './sqlite-errors.ts'

/**
 * Makes this process the only one that uses the database at `path`; returns how to give that up.
 * Two processes on one file would end in "database is locked" under load, or run the same reply twice.
 * The lock is SQLite's own on a file beside it, so that the system frees it with the process, however it ends.
 */
export function lockForThisProcess(path: string): () => void {
  try {
    // One file may have several names.
    const lock = new DatabaseSync(`${existsSync(path) ? realpathSync(path) : path}-lock`)
    lock.exec('pragma locking_mode = exclusive; begin exclusive')
    return () => lock.close()
  } catch (error) {
    if (/locked/.test(String(error))) {
      throw new StartupError(
        `DATABASE_URL: another Parley is using ${path}. One SQLite file serves one process: ` +
          'stop the other one, or give this one a file of its own.',
        { cause: error },
      )
    }
    throw explainOpenFailure(error, path)
  }
}
