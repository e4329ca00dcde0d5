import type { Storage, Transaction } from '../storage/storage.ts'
import type { EventStore } from './store.ts'

const logsPerStatement = 1_000

/** The SQL that removes the events of replies which are removed themselves. */
export function createEventRemoval({
  storage,
  store,
}: {
  storage: Storage
  store: Pick<EventStore, 'lastSequence' | 'insertBehind' | 'remove'>
}) {
  /** Whether others may commit while a transaction, or one statement of it, runs. */
  const hasOthers = storage.engine === 'postgres'

  /** The events of one reply, or of all replies of an interaction, before these are removed. */
  async function removeOf(
    tx: Transaction,
    whose: { column: 'id' | 'interaction_id'; value: string },
    now: number,
  ): Promise<void> {
    // Changing the rows locks them: whoever would claim or end these replies waits, and then finds none.
    const rows = await tx
      .updateTable('replies')
      .set({ updated_at: now })
      .where('id', 'in', ({ selectFrom }) =>
        // Messages have an index for both.
        selectFrom('messages').select('messages.id').where(`messages.${whose.column}`, '=', whose.value),
      )
      .returning(['log', 'status'])
      .execute()
    const written = rows.filter(({ status }) => hasOthers && status === 'in_progress')
    for (const { log } of written) await cutOff(tx, log, now)
    const logs = rows.filter((row) => !written.includes(row)).map(({ log }) => log)
    for (let from = 0; from < logs.length; from += logsPerStatement) {
      await store.remove(tx, logs.slice(from, from + logsPerStatement))
    }
  }

  /**
   * Of a reply that is being made. Its writer holds no lock and may be in the middle of a commit, which no look shows:
   * so it is left an event without a word in its place. It removes that when it has noticed.
   */
  async function cutOff(tx: Transaction, log: number, now: number): Promise<void> {
    // All but the last one, which says where the log ends: they may be many, and nobody waits for that yet.
    await removeBefore(tx, log, await store.lastSequence(tx, log))
    const end = await store.insertBehind(tx, log, { type: 'reply.cancelled', data: '{}' }, now)
    await removeBefore(tx, log, end)
  }

  async function removeBefore(tx: Transaction, log: number, sequence: number): Promise<void> {
    await tx.deleteFrom('events').where('log', '=', log).where('sequence', '<', sequence).execute()
  }

  /** What is left in a log whose reply is gone, for who wrote to it and has stopped. */
  async function removeLeft(log: number): Promise<void> {
    if (!hasOthers) return
    await storage.write((tx) =>
      tx
        .deleteFrom('events')
        .where('log', '=', log)
        .where(({ not, exists, selectFrom }) =>
          not(exists(selectFrom('replies').select('replies.id').where('replies.log', '=', log))),
        )
        .execute(),
    )
  }

  return { removeOf, removeLeft }
}
