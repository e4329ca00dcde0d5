import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { lowered } from '../text.ts'

const maxCachedStatements = 500

export interface SqliteResult {
  rows: unknown[]
  changes: number
}

/** One connection to a SQLite file, with its prepared statements. */
export interface SqliteConnection {
  run(sql: string, parameters: readonly unknown[]): SqliteResult
  exec(sql: string): void
  readonly isInTransaction: boolean
  close(): void
}

/**
 * Opens `path`. A read-only connection sees what is committed and can never take the writer's lock.
 * Integers come back as numbers: every integer of the schema is below 2^53.
 */
export function openSqlite(path: string, { readOnly }: { readOnly: boolean }): SqliteConnection {
  const db = new DatabaseSync(path, { readOnly, timeout: 5_000 })
  // Its own `lower` knows the capitals of ASCII alone. Whoever asks has lowered the part.
  db.function('holds', { deterministic: true }, (text, part) =>
    typeof text === 'string' && lowered(text).includes(String(part)) ? 1 : 0,
  )
  const statements = new Map<string, { statement: StatementSync; hasRows: boolean }>()

  function prepare(sql: string) {
    const statement = db.prepare(sql)
    const prepared = { statement, hasRows: statement.columns().length > 0 }
    if (statements.size >= maxCachedStatements) forgetOldest()
    statements.set(sql, prepared)
    return prepared
  }

  function forgetOldest() {
    for (const sql of statements.keys()) {
      statements.delete(sql)
      return
    }
  }

  return {
    run(sql, parameters) {
      const { statement, hasRows } = statements.get(sql) ?? prepare(sql)
      const values = parameters as SQLInputValue[]
      if (hasRows) {
        const rows = statement.all(...values)
        return { rows, changes: rows.length }
      }
      return { rows: [], changes: Number(statement.run(...values).changes) }
    },
    exec: (sql) => db.exec(sql),
    get isInTransaction() {
      return db.isTransaction
    },
    close: () => db.close(),
  }
}
