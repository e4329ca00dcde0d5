import type { Kysely } from 'kysely'
import { idType } from './engine.ts'

export const survivedBy = '0005-branches'

/** What happened in an interaction beside the messages and the events of its replies, numbered in each. */
export async function up(db: Kysely<never>): Promise<void> {
  const id = idType(db)
  await db.schema
    .alterTable('interactions')
    .addColumn('last_change', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema
    .createTable('changes')
    .addColumn('id', id, (column) => column.primaryKey())
    .addColumn('interaction_id', id, (column) =>
      column.notNull().references('interactions.id').onDelete('cascade'),
    )
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('data_json', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('changes_in_order')
    .on('changes')
    .columns(['interaction_id', 'sequence'])
    .unique()
    .execute()
}
