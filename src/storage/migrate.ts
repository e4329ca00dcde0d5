import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationInfo, Migrator } from 'kysely/migration'
import { StartupError } from '../errors.ts'
import * as m0001 from './migrations/0001-interactions-messages-replies-events.ts'
import * as m0002 from './migrations/0002-who-survives.ts'
import * as m0003 from './migrations/0003-idempotency-keys.ts'
import * as m0004 from './migrations/0004-policies.ts'
import * as m0005 from './migrations/0005-branches.ts'
import * as m0006 from './migrations/0006-dead-letters.ts'
import * as m0007 from './migrations/0007-failover.ts'
import * as m0008 from './migrations/0008-changes.ts'
import * as m0009 from './migrations/0009-origins.ts'
import * as m0010 from './migrations/0010-told-attempts.ts'
import type { Schema } from './schema.ts'

interface Step extends Migration {
  /**
   * A version that knows this migration can run with a schema that has the new one. For one that expands it is
   * the one before it; for one that contracts, the one by which the version came that needs no more what goes.
   */
  survivedBy?: string
}

/** Every change of the schema, in order of its name. To add one: a file, and a line here. */
const steps: Record<string, Step> = {
  '0001-interactions-messages-replies-events': m0001,
  '0002-who-survives': m0002,
  '0003-idempotency-keys': m0003,
  '0004-policies': m0004,
  '0005-branches': m0005,
  '0006-dead-letters': m0006,
  '0007-failover': m0007,
  '0008-changes': m0008,
  '0009-origins': m0009,
  '0010-told-attempts': m0010,
}

/** Has the name of each migration that was applied: a database without it is not ours. */
export const migrationTable = 'schema_migrations'
const survivors = sql.table('schema_survivors')

export interface MigrateOptions {
  /** The database must have been made before. */
  mustExist?: boolean | undefined
  /** Its schema may be one that this version does not know, if it can run with it. */
  mayBeNewer?: boolean | undefined
}

/**
 * Brings the schema of `db` up to date; each migration is applied whole or not at all.
 * Rejects with a StartupError if the database has seen a migration that this version neither knows nor survives,
 * or if it must exist and has seen none.
 */
export async function migrate(
  db: Kysely<Schema>,
  name: string,
  { mustExist = false, mayBeNewer = true }: MigrateOptions = {},
): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations() },
    migrationTableName: migrationTable,
    migrationLockTableName: `${migrationTable}_lock`,
  })
  if (mustExist && !(await migrator.getMigrations()).some(({ executedAt }) => executedAt)) {
    throw new StartupError(`DATABASE_URL: ${name} is no database of Parley.`)
  }
  const { error } = await migrator.migrateToLatest()
  if (!error) return
  if (!/previously executed migration .* is missing/.test(error instanceof Error ? error.message : ''))
    throw error
  if (mayBeNewer && (await survives(db, await migrator.getMigrations()))) return
  throw new StartupError(
    `DATABASE_URL: ${name} was made by a newer version of Parley. ` +
      'Nothing was changed; start that version, or one later than it.',
    { cause: error },
  )
}

/** What is applied says with it who survives it. */
function migrations(): Record<string, Migration> {
  return Object.fromEntries(
    Object.entries(steps).map(([name, { up, survivedBy }]) => [
      name,
      {
        async up(db: Kysely<unknown>) {
          await up(db)
          if (survivedBy) await sql`insert into ${survivors} values (${name}, ${survivedBy})`.execute(db)
        },
      },
    ]),
  )
}

/** Whether this version can run with all that the schema has and it does not know. */
async function survives(db: Kysely<Schema>, known: readonly MigrationInfo[]): Promise<boolean> {
  // Else it was made by a version apart from all later ones, or half.
  if (known.some(({ executedAt }) => !executedAt)) return false
  const { rows } = await sql<{ name: string; survived_by: string | null }>`
    select name, survived_by from ${sql.table(migrationTable)}
    left join ${survivors} on migration = name`.execute(db)
  return rows
    .filter(({ name }) => !(name in steps))
    .every(({ survived_by }) => survived_by !== null && survived_by in steps)
}
