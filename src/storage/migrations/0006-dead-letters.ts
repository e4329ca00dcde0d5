import { type Kysely, sql } from 'kysely'

export const survivedBy = '0005-branches'

/** The replies that ended without their whole answer are few among many: this index holds only them. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`create index if not exists replies_unanswered on replies (status, id)
            where status in ('failed', 'incomplete', 'cancelled')`.execute(db)
}
