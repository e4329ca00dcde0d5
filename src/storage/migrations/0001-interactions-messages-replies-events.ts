import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable('interactions')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('owner_id', 'text', (column) => column.notNull())
    .addColumn('title', 'text')
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('prompt', 'text')
    .addColumn('sampling_json', 'text', (column) => column.notNull())
    .addColumn('metadata_json', 'text', (column) => column.notNull())
    .addColumn('last_position', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('interactions_of_owner')
    .on('interactions')
    .columns(['owner_id', 'id'])
    .execute()

  await db.schema
    .createTable('messages')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('interaction_id', 'text', (column) =>
      column.notNull().references('interactions.id').onDelete('cascade'),
    )
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('content_json', 'text', (column) => column.notNull())
    .addColumn('metadata_json', 'text', (column) => column.notNull())
    .addColumn('tokens', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('messages_in_order')
    .on('messages')
    .columns(['interaction_id', 'position'])
    .unique()
    .execute()

  await db.schema
    .createTable('replies')
    .addColumn('log', 'integer', (column) => column.primaryKey())
    .addColumn('id', 'text', (column) =>
      column.notNull().unique().references('messages.id').onDelete('cascade'),
    )
    .addColumn('interaction_id', 'text', (column) => column.notNull())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('crashes', 'integer', (column) => column.notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('throttles', 'integer', (column) => column.notNull())
    .addColumn('not_before', 'bigint')
    .addColumn('finish_reason', 'text')
    .addColumn('usage_json', 'text')
    .addColumn('error_json', 'text')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('completed_at', 'bigint')
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute()
  // The open replies are few among many: this index holds only them.
  await sql`create index replies_open on replies (interaction_id, position)
            where status in ('queued', 'in_progress')`.execute(db)

  // Rows are appended, whoever they belong to, so that the events of one commit are on few pages.
  await db.schema
    .createTable('events')
    .addColumn('log', 'integer', (column) => column.notNull().references('replies.log').onDelete('cascade'))
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('data_json', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('events_in_order').on('events').columns(['log', 'sequence']).unique().execute()
}
