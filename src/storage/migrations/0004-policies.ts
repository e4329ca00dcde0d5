import type { Kysely } from 'kysely'

export const survivedBy = '0003-idempotency-keys'

/** What is to be done where the usual would not be right; null is the usual. */
export async function up(db: Kysely<never>): Promise<void> {
  await db.schema.alterTable('interactions').addColumn('policy_json', 'text').execute()
}
