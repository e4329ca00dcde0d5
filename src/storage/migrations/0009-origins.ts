import { type Kysely, sql } from 'kysely'

export const survivedBy = '0008-changes'

/** Through which door an interaction was made, where that matters, and when one goes that was not to be kept. */
export async function up(db: Kysely<never>): Promise<void> {
  await db.schema.alterTable('interactions').addColumn('origin', 'text').execute()
  await db.schema.alterTable('interactions').addColumn('expires_at', 'bigint').execute()
  await sql`create index interactions_of_origin on interactions (owner_id, origin, id)
            where origin is not null and expires_at is null`.execute(db)
  await sql`create index interactions_expiring on interactions (expires_at)
            where expires_at is not null`.execute(db)
}
