import type { Kysely } from 'kysely'

export const survivedBy = '0005-branches'

/** Who else may answer, who was tried before, what a reply waits for, and how often providers are asked. */
export async function up(db: Kysely<never>): Promise<void> {
  await db.schema.alterTable('interactions').addColumn('fallbacks_json', 'text').execute()
  await db.schema.alterTable('replies').addColumn('tried_json', 'text').execute()
  await db.schema.alterTable('replies').addColumn('waiting_since', 'bigint').execute()
  await db.schema.alterTable('replies').addColumn('slot_at', 'bigint').execute()
  await db.schema
    .createTable('provider_rates')
    .addColumn('provider', 'text', (column) => column.primaryKey())
    .addColumn('window_json', 'text', (column) => column.notNull())
    .execute()
}
