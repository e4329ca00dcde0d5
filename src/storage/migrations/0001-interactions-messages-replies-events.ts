import { type ColumnDefinitionBuilder, type Kysely, sql } from 'kysely'
import { logsPerMs } from '../schema.ts'
import { idType, isPostgres } from './engine.ts'

export async function up(db: Kysely<never>): Promise<void> {
  const id = idType(db)
  await db.schema
    .createTable('interactions')
    .addColumn('id', id, (column) => column.primaryKey())
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
    .addColumn('id', id, (column) => column.primaryKey())
    .addColumn('interaction_id', id, (column) =>
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

  if (isPostgres(db))
    await sql`create sequence reply_logs cycle maxvalue ${sql.lit(logsPerMs - 1)} minvalue 0`.execute(db)
  await db.schema
    .createTable('replies')
    .addColumn('log', logType(db), (column) => logDefault(db, column))
    .addColumn('id', id, (column) => column.notNull().unique().references('messages.id').onDelete('cascade'))
    .addColumn('interaction_id', id, (column) => column.notNull())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('node', 'integer')
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
    .addColumn('log', logType(db), (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('data_json', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    // Its partitions, a day each, are made by events/partitions.ts.
    .$call((table) => (isPostgres(db) ? table.modifyEnd(sql`partition by range (log)`) : table))
    .execute()
  await db.schema.createIndex('events_in_order').on('events').columns(['log', 'sequence']).unique().execute()
  if (isPostgres(db)) await createNodes(db)
}

/** Nodes that share a database; SQLite has one. */
async function createNodes(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable('nodes')
    .addColumn('number', 'integer', (column) => column.primaryKey().generatedAlwaysAsIdentity())
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .execute()
}

/**
 * The number of a log: on SQLite the row's own, on PostgreSQL one that begins with its time, so that the events
 * of a day have a range, and a partition, of their own. Below 2^53 until the year 2248.
 */
function logType(db: Kysely<never>) {
  return isPostgres(db) ? 'bigint' : 'integer'
}

function logDefault(db: Kysely<never>, column: ColumnDefinitionBuilder) {
  if (!isPostgres(db)) return column.primaryKey()
  const perMs = sql.lit(logsPerMs)
  return column
    .primaryKey()
    .defaultTo(sql`(extract(epoch from clock_timestamp()) * 1000)::bigint * ${perMs} + nextval('reply_logs')`)
}
