import type { Role } from '../interactions/interaction.ts'
import type { Storage } from '../storage/storage.ts'
import type { ContentPart } from './content.ts'
import { fitHistory, type Turn, wantsMore } from './history.ts'

const pageSize = 200

/**
 * Reads what was said before `beforePosition`, as much of it as fits `budgetTokens`, oldest first. Reads from
 * the newest backwards and no further than what fits, so that a long interaction costs no more than its window.
 */
export function createHistoryLoader(storage: Storage) {
  /** What was not said (an answer that failed, or is still being made) is no history. */
  const selectBefore = storage.prepare(
    (db, given: { interactionId: string; beforePosition: number; limit: number }) =>
      db
        .selectFrom('messages')
        .leftJoin('replies', 'replies.id', 'messages.id')
        .select(['messages.position', 'messages.role', 'messages.content_json', 'messages.tokens'])
        .where('messages.interaction_id', '=', given.interactionId)
        .where('messages.position', '<', given.beforePosition)
        .where('messages.content_json', '!=', '[]')
        .where((eb) =>
          eb.or([
            eb('replies.status', 'is', null),
            eb('replies.status', 'in', ['completed', 'incomplete', 'cancelled']),
          ]),
        )
        .orderBy('messages.position', 'desc')
        .limit(given.limit),
    { beforeDurable: true },
  )

  return async function loadHistory(
    interactionId: string,
    beforePosition: number,
    budgetTokens: number,
  ): Promise<Turn[]> {
    const newestFirst: Turn[] = []
    let from = beforePosition
    while (wantsMore(newestFirst, budgetTokens)) {
      // Each page starts where the one before it ended.
      const { rows } = await selectBefore(storage.db, {
        interactionId,
        beforePosition: from,
        limit: pageSize,
      })
      for (const row of rows) {
        newestFirst.push({
          role: row.role as Role,
          content: JSON.parse(row.content_json) as ContentPart[],
          tokens: row.tokens,
        })
        from = row.position
      }
      if (rows.length < pageSize) break
    }
    return fitHistory(newestFirst, budgetTokens)
  }
}

export type LoadHistory = ReturnType<typeof createHistoryLoader>
