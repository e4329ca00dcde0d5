import { type Compilable, Kysely } from 'kysely'
import { Pool, type PoolClient, types } from 'pg'
import { setTimeout as pause } from 'node:timers/promises'
import type { MigrateOptions } from './migrate.ts'
import { postgresDialect } from './postgres-dialect.ts'
import { explainConnectFailure, explainQueryFailure, isConflict } from './postgres-errors.ts'
import { migratePostgres } from './postgres-migrate.ts'
import { compileOnce } from './prepared.ts'
import type { Schema } from './schema.ts'
import type { Database, Prepared, Storage, Transaction } from './storage.ts'
import { createWriteScope, runEffects } from './write-scope.ts'

const connectTimeoutMs = 5_000
/** No statement of this server takes a fraction of it: what does is stuck. */
const defaultStatementTimeoutMs = 15_000
const idleInTransactionMs = 10_000
const maxConflicts = 4
const int8 = 20

/**
 * Opens the PostgreSQL database at `url` and brings its schema up to date; makes it there, unless it must exist.
 * At most `maxConnections` are open.
 * Rejects with a StartupError that says what is wrong.
 */
export async function openPostgresStorage(
  url: string,
  options: MigrateOptions & {
    maxConnections: number
    onError: (error: Error) => void
    statementTimeoutMs?: number
  },
): Promise<Storage> {
  const { maxConnections, onError, statementTimeoutMs = defaultStatementTimeoutMs } = options
  try {
    await migratePostgres(url, { ...options, connectTimeoutMs })
  } catch (error) {
    throw explainConnectFailure(error, url)
  }
  const pool = openPool(url, maxConnections, statementTimeoutMs)
  // A connection that breaks while nobody uses it: the pool opens another one.
  pool.on('error', onError)
  // One that breaks in the middle of a transaction: the next query on it says so. Unheard, it would end the process.
  pool.on('connect', (client) => void client.on('error', () => {}))
  return createPostgresStorage(pool)
}

function openPool(url: string, max: number, statementTimeoutMs: number): Pool {
  return new Pool({
    connectionString: url,
    max,
    application_name: 'parley',
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    // Longer than the server's own: it is for a server that does not answer at all.
    query_timeout: statementTimeoutMs + 5_000,
    keepAlive: true,
    // Times, positions and counts are whole numbers far below 2^53.
    types: {
      getTypeParser: (oid: number, format) => (oid === int8 ? Number : types.getTypeParser(oid, format)),
    },
  })
}

function createPostgresStorage(pool: Pool): Storage {
  const scope = createWriteScope()
  const clients = new WeakMap<Transaction, PoolClient>()
  const handles = new WeakMap<PoolClient, Kysely<Schema>>()
  const underWay = new Set<Promise<unknown>>()
  let prepared = 0

  const db = new Kysely<Schema>({
    dialect: postgresDialect(async (text, values) => {
      scope.refuseInside('a query on the reading handle')
      return explained(() => pool.query(text, [...values]))
    }),
  })

  /** Two transactions that are in each other's way are tried again: `work` must do the same each time. */
  async function write<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    scope.refuseInside('write()')
    const written = writeAgain(work)
    underWay.add(written)
    try {
      return await written
    } finally {
      underWay.delete(written)
    }
  }

  async function writeAgain<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let conflicts = 1; ; conflicts += 1) {
      try {
        return await writeOnce(work)
      } catch (error) {
        if (!isConflict(error) || conflicts >= maxConflicts) throw explainQueryFailure(error)
        await pause(Math.random() * 10 * conflicts)
      }
    }
  }

  async function writeOnce<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const { result, effects } = await commitOnce(work)
    runEffects([...effects.atCommit, ...effects.afterCommit])
    return result
  }

  async function commitOnce<T>(work: (tx: Transaction) => Promise<T>) {
    const client = await pool.connect()
    let failure: Error | undefined
    try {
      await client.query('begin')
      const tx = handleOf(client)
      clients.set(tx, client)
      const done = await scope.run(tx, work)
      await client.query('commit')
      return done
    } catch (error) {
      // A connection that cannot even roll back is thrown away, and the server rolls back for it.
      failure = await client.query('rollback').then(
        () => undefined,
        (reason: Error) => reason,
      )
      throw error
    } finally {
      client.release(failure)
    }
  }

  /** The same connection under a new name, so that what is registered with it belongs to this work alone. */
  function handleOf(client: PoolClient): Transaction {
    let handle = handles.get(client)
    if (!handle) {
      handle = new Kysely<Schema>({
        dialect: postgresDialect((text, values) => client.query(text, [...values])),
      })
      handles.set(client, handle)
    }
    return handle.withTables() as unknown as Transaction
  }

  /** A statement with a name: each connection plans it once. */
  function prepare<Parameters extends object, Row>(
    build: (database: Database, parameters: Parameters) => Compilable<Row>,
  ): Prepared<Parameters, Row> {
    const { sql, bind } = compileOnce(db, build)
    const name = `parley_${(prepared += 1)}`
    return async (on, values) => {
      const query = { name, text: sql, values: bind(values) }
      const client = clients.get(on as Transaction)
      if (!client) scope.refuseInside('a query on the reading handle')
      const { rows, rowCount } = client ? await client.query(query) : await explained(() => pool.query(query))
      return { rows: rows as Row[], changes: rowCount ?? 0 }
    }
  }

  return {
    engine: 'postgres',
    db,
    write,
    atCommit: scope.atCommit,
    afterCommit: scope.afterCommit,
    prepare,
    async close() {
      await Promise.allSettled(underWay)
      await pool.end()
    },
  }
}

async function explained<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query()
  } catch (error) {
    throw explainQueryFailure(error)
  }
}
