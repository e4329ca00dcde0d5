import { Kysely, PostgresAdapter, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { setTimeout as pause } from 'node:timers/promises'
import { migrate, type MigrateOptions } from './migrate.ts'
import { isInUse, placeOf } from './postgres-errors.ts'
import type { Schema } from './schema.ts'

/** One node at a time migrates: 'prlm' in ASCII. */
const lockKey = 0x7072_6c6d
/** Who waits for a table holds up all who come after it: so briefly, and rather often. */
const tableLockMs = 500
const maxTries = 120

/**
 * Brings the schema up to date while other nodes use it: one node at a time, as one transaction, however long it
 * takes, and without making anybody wait who waits for a table behind it.
 */
export async function migratePostgres(
  url: string,
  options: MigrateOptions & { connectTimeoutMs: number },
): Promise<void> {
  const pool = new Pool({
    connectionString: url,
    max: 1,
    application_name: 'parley migration',
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
  })
  pool.on('connect', (client) => void client.on('error', () => {}))
  pool.on('error', () => {})
  const db = new Kysely<Schema>({ dialect: new LockedDialect({ pool }) })
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return await migrateOnce(db, placeOf(url), options)
      } catch (error) {
        if (!isInUse(error) || tries >= maxTries) throw error
        await pause(tableLockMs * (1 + Math.random()))
      }
    }
  } finally {
    await db.destroy()
  }
}

async function migrateOnce(db: Kysely<Schema>, name: string, options: MigrateOptions) {
  await db.transaction().execute(async (tx) => {
    // An index may take its time, and so may another node that migrates.
    await sql`set local statement_timeout = 0`.execute(tx)
    await sql`select pg_advisory_xact_lock(${lockKey})`.execute(tx)
    await sql`set local lock_timeout = ${sql.lit(tableLockMs)}`.execute(tx)
    await migrate(tx, name, options)
  })
}

/**
 * Kysely's own lock belongs to the session: a pooler would give that to somebody else. And it is taken too late
 * for two nodes that make the first tables.
 */
class LockedDialect extends PostgresDialect {
  override createAdapter() {
    return new LockedAdapter()
  }
}

class LockedAdapter extends PostgresAdapter {
  override async acquireMigrationLock() {}
  override async releaseMigrationLock() {}
}
