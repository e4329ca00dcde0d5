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

  return { expireAt }
}
