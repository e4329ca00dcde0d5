import { sql } from 'kysely'
import type { Storage, Transaction } from '../storage/storage.ts'

const isOpen = sql<boolean>`status in ('queued', 'in_progress')`

/** The SQL of interactions that are not kept. */
export function createExpiryStore(storage: Pick<Storage, 'engine'>) {
  /** Sets the time of one that is not kept; false where it is. */
  async function expireAt(
    tx: Transaction,
    { ownerId, id, at }: { ownerId: string; id: string; at: number },
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('interactions')
      .set({ expires_at: at })
      .where('id', '=', id)
      .where('owner_id', '=', ownerId)
      .where('expires_at', 'is not', null)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }

  /**
   * Gives one that is not kept a later time, and resolves with it; undefined where there is no such one. Always another
   * one: who remembers the old one sees that somebody came.
   */
  async function renew(
    tx: Transaction,
    { ownerId, id, at }: { ownerId: string; id: string; at: number },
  ): Promise<number | undefined> {
    const row = await tx
      .updateTable('interactions')
      .set(({ eb }) => ({
        expires_at: eb
          .case()
          .when('expires_at', '<', at)
          .then(at)
          .else(eb('expires_at', '+', 1))
          .end(),
      }))
      .where('id', '=', id)
      .where('owner_id', '=', ownerId)
      .where('expires_at', 'is not', null)
      .returning('expires_at')
      .executeTakeFirst()
    return row?.expires_at ?? undefined
  }

  /** Those whose time was over before `now`, without an answer that is still being made; held by the transaction. */
  async function lockExpired(tx: Transaction, now: number, limit: number): Promise<string[]> {
    const rows = await tx
      .selectFrom('interactions')
      .select('id')
      .where('expires_at', '<', now)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('replies')
              .select('replies.id')
              .whereRef('interaction_id', '=', 'interactions.id')
              .where(isOpen),
          ),
        ),
      )
      .orderBy('expires_at')
      .limit(limit)
      .$if(storage.engine === 'postgres', (query) => query.forUpdate().skipLocked())
      .execute()
    const ids = rows.map(({ id }) => id)
    const busy = await openAmong(tx, ids)
    return ids.filter((id) => !busy.has(id))
  }

  /** Those in which an answer is still being made: also what was posted just before the interaction was held. */
  async function openAmong(tx: Transaction, ids: string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set()
    const rows = await tx
      .selectFrom('replies')
      .select('interaction_id')
      .where('interaction_id', 'in', ids)
      .where(isOpen)
      .execute()
    return new Set(rows.map(({ interaction_id }) => interaction_id))
  }

  return { expireAt, renew, lockExpired }
}
