import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Compilable, Kysely } from 'kysely'
import { StartupError } from '../errors.ts'
import { createGroupCommit } from './group-commit.ts'
import { migrate, migrationTable } from './migrate.ts'
import { compileOnce } from './prepared.ts'
import type { Schema } from './schema.ts'
import { openSqlite, type SqliteConnection } from './sqlite-connection.ts'
import { sqliteDialect } from './sqlite-dialect.ts'
import { explainOpenFailure, explainWriteFailure } from './sqlite-errors.ts'
import { lockForThisProcess } from './sqlite-lock.ts'
import type { Database, Prepared, Storage, Transaction } from './storage.ts'

/**
 * Opens the database file at `path`, makes it if there is none, and brings its schema up to date.
 * Rejects with a StartupError that says what is wrong; the file is then as it was.
 */
export async function openSqliteStorage(path: string): Promise<Storage> {
  makeFolder(path)
  const unlock = lockForThisProcess(path)
  try {
    const writer = openWriter(path)
    await migrate(new Kysely<Schema>({ dialect: sqliteDialect(() => writer) }), path)
    return createSqliteStorage({ writer, reader: openSqlite(path, { readOnly: true }), unlock })
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
  writer.exec('pragma journal_mode = wal')
  // SQLite opens what it may not write for reading, and would say so only with the first post.
  writer.exec('begin immediate; pragma user_version = 0; rollback')
  // Every commit is on the disk before it is answered. Group commit makes this the fast setting too.
  writer.exec('pragma synchronous = full')
  writer.exec('pragma temp_store = memory')
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
  unlock: () => void
}): Storage {
  const { writer, reader } = parts
  const scope = new AsyncLocalStorage<{ isOpen: boolean }>()
  const groupCommit = createGroupCommit(writer)
  const effects = new WeakMap<Transaction, Array<() => void>>()

  const db = new Kysely<Schema>({
    dialect: sqliteDialect(() => {
      refuseInside('a query on the reading handle')
      return reader
    }),
  })
  const writing = new Kysely<Schema>({ dialect: sqliteDialect(() => writer) })

  /** On PostgreSQL it would silently run outside of the transaction; here it is the same error on any engine. */
  function refuseInside(what: string) {
    if (scope.getStore()?.isOpen) throw new Error(`${what} inside write(): use the transaction's handle`)
  }

  async function write<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    refuseInside('write()')
    let result: T | undefined
    try {
      await groupCommit.enqueue(async () => {
        // The same connection under a new name, so that what is registered with it belongs to this work alone.
        const tx = writing.withTables() as unknown as Transaction
        const open = { isOpen: true }
        effects.set(tx, [])
        try {
          result = await scope.run(open, work, tx)
          return effects.get(tx) ?? []
        } finally {
          open.isOpen = false
        }
      })
    } catch (error) {
      throw explainWriteFailure(error)
    }
    return result as T
  }

  /** Runs on the connection itself: going through Kysely's executor costs more than the statement. */
  function prepare<Parameters extends object, Row>(
    build: (db: Database, parameters: Parameters) => Compilable<Row>,
  ): Prepared<Parameters, Row> {
    const { sql, bind } = compileOnce(db, build)
    const isRead = sql.startsWith('select')
    return async (on, values) => {
      const connection = on === db ? readingConnection(isRead) : writer
      const { rows, changes } = connection.run(sql, bind(values))
      return { rows: rows as Row[], changes }
    }
  }

  /**
   * Between two transactions the writer sees nothing but what is committed, and its page cache is warm; the
   * reader's is empty after every commit, which makes a small query five times as dear.
   */
  function readingConnection(isRead: boolean): SqliteConnection {
    refuseInside('a query on the reading handle')
    return isRead && !writer.isInTransaction ? writer : reader
  }

  return {
    engine: 'sqlite',
    db,
    write,
    afterCommit: (tx, effect) => void effects.get(tx)?.push(effect),
    prepare,
    async close() {
      await groupCommit.settled()
      reader.close()
      writer.close()
      parts.unlock()
    },
  }
}
