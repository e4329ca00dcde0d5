import type { Kysely } from 'kysely'

export const survivedBy = '0009-origins'

/** Which try told what a reply came to be, where its log told something else before. */
export async function up(db: Kysely<never>): Promise<void> {
  await db.schema.alterTable('replies').addColumn('told_attempt', 'integer').execute()
}
