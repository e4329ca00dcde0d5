import type { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { StartupError } from '../errors.ts'
import * as m0001 from './migrations/0001-interactions-messages-replies-events.ts'
import * as m0003 from './migrations/0003-idempotency-keys.ts'
import * as m0004 from './migrations/0004-policies.ts'
import type { Schema } from './schema.ts'

/** Every change of the schema, in order of its name. To add one: a file, and a line here. */
const migrations: Record<string, Migration> = {
  '0001-interactions-messages-replies-events': m0001,
  '0003-idempotency-keys': m0003,
  '0004-policies': m0004,
}

/** Has the name of each migration that was applied: a database without it is not ours. */
export const migrationTable = 'schema_migrations'

/**
 * Brings the schema of `db` up to date; each migration is applied whole or not at all.
 * Rejects with a StartupError if the database has seen a migration that this version does not know, or if it
 * must exist and has seen none.
 */
export async function migrate(db: Kysely<Schema>, name: string, mustExist = false): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableName: migrationTable,
    migrationLockTableName: `${migrationTable}_lock`,
  })
  if (mustExist && !(await migrator.getMigrations()).some(({ executedAt }) => executedAt)) {
    throw new StartupError(`DATABASE_URL: ${name} is no database of Parley.`)
  }
  const { error } = await migrator.migrateToLatest()
  if (!error) return
  if (/previously executed migration .* is missing/.test(error instanceof Error ? error.message : '')) {
    throw new StartupError(
      `DATABASE_URL: ${name} was made by a newer version of Parley. ` +
        'Nothing was changed; start that version, or one later than it.',
      { cause: error },
    )
  }
  throw error
}
