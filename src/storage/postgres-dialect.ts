import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'
import type { QueryResult as PgResult } from 'pg'

export type RunQuery = (sql: string, parameters: readonly unknown[]) => Promise<PgResult>

/**
 * Kysely over whatever runs a query: the pool, or the one connection of a transaction. Beginning and ending
 * transactions is the caller's business.
 */
export function postgresDialect(run: RunQuery): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => driver(run),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  }
}

function driver(run: RunQuery): Driver {
  const connection: DatabaseConnection = {
    async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
      const { rows, rowCount } = await run(sql, parameters)
      return { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) }
    },
    streamQuery() {
      throw new Error('read pages instead of a stream')
    },
  }
  const ownTransaction = async () => {
    throw new Error('use write() for a transaction')
  }
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: ownTransaction,
    commitTransaction: ownTransaction,
    rollbackTransaction: ownTransaction,
    releaseConnection: async () => {},
    destroy: async () => {},
  }
}
