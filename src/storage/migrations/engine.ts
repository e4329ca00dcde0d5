import { type Kysely, PostgresAdapter } from 'kysely'

/** Whether a migration runs on PostgreSQL; else it is SQLite. */
export function isPostgres(db: Kysely<never>): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter
}

/** The column type of ids: half the size where the engine knows UUIDs. */
export function idType(db: Kysely<never>): 'uuid' | 'text' {
  return isPostgres(db) ? 'uuid' : 'text'
}
