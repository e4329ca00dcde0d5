import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs'
import { promisify } from 'node:util'

/** The write-ahead log of a SQLite file, as a file. */
export interface Wal {
  /** Resolves when all that SQLite has written to it is on the disk. Another thread waits for that. */
  sync(): Promise<void>
  /** The same in this thread, which costs less. */
  syncNow(): void
  close(): void
}

const syncAside = promisify(fdatasync)

/**
 * Opens the log of the database at `path`, which must be open in WAL mode. SQLite would sync within each commit,
 * in the thread that answers everybody. With `synchronous = normal` it has written the whole commit when it
 * returns, and leaves syncing to whoever wants to know it on the disk (https://www.sqlite.org/wal.html, section
 * "Performance considerations"). It syncs itself where the order of its files depends on that: before and after it
 * copies the log to the database. The file stays the same as long as the database is open.
 */
export function openWal(path: string): Wal {
  const file = openSync(`${path}-wal`, 'r+')
  return {
    sync: () => syncAside(file),
    syncNow: () => fdatasyncSync(file),
    close: () => closeSync(file),
  }
}
