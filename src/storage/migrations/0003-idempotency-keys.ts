import type { Kysely } from 'kysely'
import { isPostgres } from './engine.ts'

export const survivedBy = '0002-who-survives'

/** What requests made that may come twice. Rows are numbered as they come, which is the order they are pruned in. */
export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable('idempotency_keys')
    .addColumn('number', isPostgres(db) ? 'bigint' : 'integer', (column) =>
      isPostgres(db) ? column.primaryKey().generatedAlwaysAsIdentity() : column.primaryKey(),
    )
    .addColumn('owner_id', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('answer_json', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('idempotency_keys_by_key')
    .on('idempotency_keys')
    .columns(['owner_id', 'key'])
    .unique()
    .execute()
}
