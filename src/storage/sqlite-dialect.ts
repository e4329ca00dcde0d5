import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { SqliteConnection } from './sqlite-connection.ts'

/**
 * Kysely over `node:sqlite`, which Kysely has no dialect for. `connect` is asked before every query, so that
 * the caller can refuse one that comes from the wrong place. Transactions are the caller's own business,
 * except for migrations, which Kysely runs itself. What was read is handed out when `durable` resolves.
 */
export function sqliteDialect(
  connect: () => SqliteConnection,
  durable?: () => Promise<void> | undefined,
): Dialect {
  return {
    createAdapter: () => new TransactionalSqliteAdapter(),
    createDriver: () => sqliteDriver(connect, durable),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

/** SQLite can roll back DDL, so that a migration that fails half-way leaves nothing behind. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

function sqliteDriver(connect: () => SqliteConnection, durable?: () => Promise<void> | undefined): Driver {
  const connection: DatabaseConnection = {
    async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
      const { rows, changes } = connect().run(sql, parameters)
      await durable?.()
      return { rows: rows as R[], numAffectedRows: BigInt(changes) }
    },
    streamQuery() {
      throw new Error('SQLite reads are synchronous; read pages instead of a stream')
    },
  }
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: async () => connect().exec('begin immediate'),
    commitTransaction: async () => connect().exec('commit'),
    rollbackTransaction: async () => connect().exec('rollback'),
    releaseConnection: async () => {},
    destroy: async () => {},
  }
}
