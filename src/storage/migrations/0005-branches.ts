import type { Kysely } from 'kysely'
import { idType } from './engine.ts'

export const survivedBy = '0004-policies'

/** Other ways that a conversation went, and what a reply was asked for beyond the settings of its interaction. */
export async function up(db: Kysely<never>): Promise<void> {
  const id = idType(db)
  await db.schema
    .createTable('branches')
    .addColumn('id', id, (column) => column.primaryKey())
    .addColumn('interaction_id', id, (column) =>
      column.notNull().references('interactions.id').onDelete('cascade'),
    )
    .addColumn('number', 'bigint', (column) => column.notNull())
    .addColumn('fork_position', 'bigint', (column) => column.notNull())
    .addColumn('first_position', 'bigint', (column) => column.notNull())
    .addColumn('path_json', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('branches_in_order')
    .on('branches')
    .columns(['interaction_id', 'number'])
    .unique()
    .execute()
  const ofBranch = { interactions: 'current_branch', messages: 'branch', replies: 'branch' }
  for (const [table, name] of Object.entries(ofBranch)) {
    await db.schema
      .alterTable(table)
      .addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0))
      .execute()
  }
  await db.schema.alterTable('replies').addColumn('options_json', 'text').execute()
}
