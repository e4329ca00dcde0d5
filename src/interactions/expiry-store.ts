import type { Transaction } from '../storage/storage.ts'

/** The SQL of interactions that are not kept. */
export function createExpiryStore() {
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

  return { expireAt, renew }
}
