import { newId } from '../../src/ids.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { createDatabase } from './database.ts'

/** An empty database of the engine that is tested. */
export interface OpenStorage {
  storage: Storage
  /** As DATABASE_URL has it. */
  url: string
  /** Opens the same data again, after it was closed. */
  reopen: () => Promise<Storage>
  /** Closes it, and removes the data. */
  remove: () => Promise<void>
}

export async function openStorage(): Promise<OpenStorage> {
  const database = await createDatabase()
  let storage = await database.open()
  return {
    storage,
    url: database.url,
    reopen: async () => (storage = await database.open()),
    async remove() {
      await storage.close()
      await database.remove()
    },
  }
}

/** An interaction as a row, for tests below the verbs. */
export function interactionRow(id = newId()) {
  return {
    id,
    owner_id: 'local',
    title: null,
    model: 'builtin/eliza',
    role: 'System',
    prompt: null,
    sampling_json: '{}',
    metadata_json: '{}',
    last_position: 0,
    current_branch: 0,
    created_at: 1,
    updated_at: 1,
  }
}

/** A reply as rows, taken by its first attempt, in an interaction of its own; the number of its log. */
export function insertReply(storage: Storage, id: string): Promise<number> {
  return storage.write(async (tx) => {
    const interaction = interactionRow()
    const times = { branch: 0, created_at: 1, updated_at: 1 }
    await tx.insertInto('interactions').values(interaction).execute()
    const message = { id, interaction_id: interaction.id, position: 1, ...times }
    const empty = { role: 'AI', content_json: '[]', metadata_json: '{}', tokens: 0 }
    await tx
      .insertInto('messages')
      .values({ ...message, ...empty })
      .execute()
    const tries = { attempt: 1, crashes: 0, failures: 0, throttles: 0 }
    const { log } = await tx
      .insertInto('replies')
      .values({ ...message, ...tries, status: 'in_progress', model: 'builtin/eliza' })
      .returning('log')
      .executeTakeFirstOrThrow()
    return log
  })
}

/** What a next attempt does to a reply: whoever wrote it may write no more. */
export async function takeOver(storage: Storage, id: string): Promise<void> {
  await storage.write((tx) =>
    tx
      .updateTable('replies')
      .set(({ eb }) => ({ attempt: eb('attempt', '+', 1) }))
      .where('id', '=', id)
      .execute(),
  )
}
