import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Compilable, Kysely } from 'kysely'
import { StartupError } from '../errors.ts'
import { createGroupCommit } from './group-commit.ts'
import { migrate, type MigrateOptions, migrationTable } from './migrate.ts'
import { compileOnce } from './prepared.ts'
import type { Schema } from './schema.ts'
import { openSqlite, type SqliteConnection } from './sqlite-connection.ts'
import { sqliteDialect } from './sqlite-dialect.ts'
import { explainOpenFailure, explainWriteFailure } from './sqlite-errors.ts'
import { lockForThisProcess } from './sqlite-lock.ts'
import { openWal, type Wal } from './sqlite-wal.ts'
import type { Database, Prepared, Storage, Transaction } from './storage.ts'
import { createWriteScope } from './write-scope.ts'

/**
 * Opens the database file at `path`, makes it if there is none (unless it must exist), and brings its schema up
 * to date.
 * Rejects with a StartupError that says what is wrong; the file is then as it was.
 */
export async function openSqliteStorage(path: string, options: MigrateOptions = {}): Promise<Storage> {
  if (options.mustExist && !existsSync(path))
    throw new StartupError(`DATABASE_URL: there is no file ${path}.`)
  makeFolder(path)
  const unlock = lockForThisProcess(path)
  try {
    const writer = openWriter(path)
    await migrate(new Kysely<Schema>({ dialect: sqliteDialect(() => writer) }), path, options)
    return createSqliteStorage({
      writer,
      reader: openSqlite(path, { readOnly: true }),
      wal: openWal(path),
      unlock,
    })
  } catch (error) {
    unlock()
    throw explainOpenFailure(error, path)
  }
}

function makeFolder(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true })
  } catch (error) {
    throw new StartupError(`DATABASE_URL: the folder of ${path} cannot be made.`, { cause: error })
  }
}

function openWriter(path: string): SqliteConnection {
  const writer = openSqlite(path, { readOnly: false })
  refuseForeign(writer, path)
  // Of a new file: every page that a commit changes is written to the log as a whole, and most change by a row.
  writer.exec('pragma page_size = 2048')
  writer.exec('pragma journal_mode = wal')
  // SQLite opens what it may not write for reading, and would say so only with the first post.
  writer.exec('begin immediate; pragma user_version = 0; rollback')
  // Group commit brings a commit to the disk before it is answered.
  writer.exec('pragma synchronous = normal')
  writer.exec('pragma temp_store = memory')
  // In KiB. With less a post reads pages again that the last one wrote; with more the commits are dearer: SQLite
  // walks the whole cache at the end of most that split a page.
  writer.exec('pragma cache_size = -4096')
  // In pages, some 30 MB: a page that many commits change is copied from the log to the file once.
  writer.exec('pragma wal_autocheckpoint = 16000')
  writer.exec('pragma journal_size_limit = 67108864')
  return writer
}

/** Before anything is written: our tables have no business among those of another program. */
function refuseForeign(writer: SqliteConnection, path: string) {
  const { rows } = writer.run("select name from sqlite_schema where type = 'table'", [])
  const tables = rows.map((row) => (row as { name: string }).name)
  if (tables.length === 0 || tables.includes(migrationTable)) return
  throw new StartupError(
    `DATABASE_URL: ${path} belongs to another program. It was left as it is; set DATABASE_URL to another file.`,
  )
}

function createSqliteStorage(parts: {
  writer: SqliteConnection
  reader: SqliteConnection
  wal: Wal
  unlock: () => void
}): Storage {
  const { writer, reader, wal } = parts
  const scope = createWriteScope()
  const groupCommit = createGroupCommit(writer, wal)

  const db = new Kysely<Schema>({
    dialect: sqliteDialect(
      () => {
        scope.refuseInside('a query on the reading handle')
        return reader
      },
      () => groupCommit.durable,
    ),
  })
  const writing = new Kysely<Schema>({ dialect: sqliteDialect(() => writer) })

  async function write<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    scope.refuseInside('write()')
    let result: T | undefined
    try {
      await groupCommit.enqueue(async () => {
        // The same connection under a new name, so that what is registered with it belongs to this work alone.
        const tx = writing.withTables() as unknown as Transaction
        const done = await scope.run(tx, work)
        result = done.result
        return done.effects
      })
    } catch (error) {
      throw explainWriteFailure(error)
    }
    return result as T
  }

  /** Runs on the connection itself: going through Kysely's executor costs more than the statement. */
  function prepare<Parameters extends object, Row>(
    build: (db: Database, parameters: Parameters) => Compilable<Row>,
    { beforeDurable = false } = {},
  ): Prepared<Parameters, Row> {
    const { sql, bind } = compileOnce(db, build)
    const isRead = sql.startsWith('select')
    return async (on, values) => {
      const connection = on === db ? readingConnection(isRead) : writer
      const { rows, changes } = connection.run(sql, bind(values))
      if (on === db && !beforeDurable && groupCommit.durable) await groupCommit.durable
      return { rows: rows as Row[], changes }
    }
  }

  /**
   * Between two transactions the writer sees nothing but what is committed, and its page cache is warm; the
   * reader's is empty after every commit, which makes a small query five times as dear.
   */
  function readingConnection(isRead: boolean): SqliteConnection {
    scope.refuseInside('a query on the reading handle')
    return isRead && !writer.isInTransaction ? writer : reader
  }

  return {
    engine: 'sqlite',
    db,
    write,
    atCommit: scope.atCommit,
    afterCommit: scope.afterCommit,
    prepare,
    async close() {
      await groupCommit.settled()
      reader.close()
      writer.close()
      wal.close()
      parts.unlock()
    },
  }
}
