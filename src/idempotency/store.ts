import type { Insertable } from 'kysely'
import type { IdempotencyKeyRow } from '../storage/schema.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'

const pruneSize = 1_000

type NewKey = Required<Omit<Insertable<IdempotencyKeyRow>, 'number'>>

/** The SQL of remembered requests. */
export function createKeyStore(storage: Storage) {
  const selectOne = storage.prepare((db, given: { ownerId: string; key: string }) =>
    db
      .selectFrom('idempotency_keys')
      .select(['fingerprint', 'answer_json', 'created_at'])
      .where('owner_id', '=', given.ownerId)
      .where('key', '=', given.key),
  )

  async function find(on: Database | Transaction, ownerId: string, key: string) {
    const { rows } = await selectOne(on, { ownerId, key })
    return rows[0]
  }

  const insertOne = storage.prepare((db, given: NewKey) =>
    db
      .insertInto('idempotency_keys')
      .values({
        owner_id: given.owner_id,
        key: given.key,
        fingerprint: given.fingerprint,
        answer_json: given.answer_json,
        created_at: given.created_at,
      })
      .onConflict((conflict) => conflict.columns(['owner_id', 'key']).doNothing()),
  )

  /** Remembers a request; false where one of the same key is remembered already. */
  async function put(tx: Transaction, row: NewKey): Promise<boolean> {
    const { changes } = await insertOne(tx, row)
    return changes > 0
  }

  /** Forgets a request. It is never overwritten: rows are pruned in the order of their numbers. */
  async function remove(tx: Transaction, ownerId: string, key: string): Promise<void> {
    await tx.deleteFrom('idempotency_keys').where('owner_id', '=', ownerId).where('key', '=', key).execute()
  }

  /** Forgets some of what was remembered before `ms`; the number of them. */
  async function removeBefore(tx: Transaction, ms: number): Promise<number> {
    const { numDeletedRows } = await tx
      .deleteFrom('idempotency_keys')
      .where('number', 'in', ({ selectFrom }) =>
        // The oldest of all, and of them what is old enough: else it would look for more among all the young ones.
        selectFrom(
          selectFrom('idempotency_keys')
            .select(['number', 'created_at'])
            .orderBy('number')
            .limit(pruneSize)
            .as('oldest'),
        )
          .select('oldest.number')
          .where('oldest.created_at', '<', ms),
      )
      .executeTakeFirst()
    return Number(numDeletedRows)
  }

  return { find, put, remove, removeBefore }
}
