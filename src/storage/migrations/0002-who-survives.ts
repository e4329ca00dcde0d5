import type { Kysely } from 'kysely'

export const survivedBy = '0001-interactions-messages-replies-events'

/** Says to versions that do not know a migration whether they can run with it. */
export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable('schema_survivors')
    .addColumn('migration', 'text', (column) => column.primaryKey())
    .addColumn('survived_by', 'text', (column) => column.notNull())
    .execute()
}
