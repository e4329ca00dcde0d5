import { sql } from 'kysely'
import type { Storage } from '../storage/storage.ts'
import type { Unread } from './place.ts'

const isOpen = sql<boolean>`status in ('queued', 'in_progress')`
/** For SQLite, which has no type for it. */
const openAsNumber = sql<number>`case when ${isOpen} then 1 else 0 end`

/** The SQL of feeds: which replies there are to be read. It only reads. */
export function createFeedStore(storage: Storage) {
  const selectBetween = storage.prepare(
    (db, given: { interactionId: string; after: number; to: number; limit: number }) =>
      db
        .selectFrom('messages')
        .innerJoin('replies', 'replies.id', 'messages.id')
        .select(['messages.position', 'messages.id', openAsNumber.as('open')])
        .where('messages.interaction_id', '=', given.interactionId)
        .where('messages.position', '>', given.after)
        .where('messages.position', '<=', given.to)
        .orderBy('messages.position')
        .limit(given.limit),
  )

  /** The replies at positions behind `after`, up to `to`. */
  async function repliesBetween(
    interactionId: string,
    { after, to, limit }: { after: number; to: number; limit: number },
  ): Promise<Unread[]> {
    const { rows } = await selectBetween(storage.db, { interactionId, after, to, limit })
    return rows.map((row) => toUnread(row))
  }

  /** Those of the replies of an interaction that are at these positions. */
  async function repliesAt(interactionId: string, positions: number[]): Promise<Unread[]> {
    if (positions.length === 0) return []
    const rows = await storage.db
      .selectFrom('messages')
      .innerJoin('replies', 'replies.id', 'messages.id')
      .select(['messages.position', 'messages.id', openAsNumber.as('open')])
      .where('messages.interaction_id', '=', interactionId)
      .where('messages.position', 'in', positions)
      .execute()
    return rows.map((row) => toUnread(row))
  }

  /** The first replies that are open, up to position `to`. */
  async function openReplies(interactionId: string, to: number, limit: number): Promise<Unread[]> {
    const rows = await storage.db
      .selectFrom('replies')
      .select(['position', 'id', openAsNumber.as('open')])
      .where('interaction_id', '=', interactionId)
      .where(isOpen)
      .where('position', '<=', to)
      .orderBy('position')
      .limit(limit)
      .execute()
    return rows.map((row) => toUnread(row))
  }

  /** The position of the last reply that has ended, of those between `after` and `to`. */
  async function lastEnded(
    interactionId: string,
    { after, to }: { after: number; to: number },
  ): Promise<number | undefined> {
    const row = await storage.db
      .selectFrom('messages')
      .innerJoin('replies', 'replies.id', 'messages.id')
      .select('messages.position')
      .where('messages.interaction_id', '=', interactionId)
      .where('messages.position', '>', after)
      .where('messages.position', '<=', to)
      .where(sql<boolean>`status not in ('queued', 'in_progress')`)
      .orderBy('messages.position', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row?.position
  }

  return { repliesBetween, repliesAt, openReplies, lastEnded }
}

export type FeedStore = ReturnType<typeof createFeedStore>

function toUnread(row: { position: number; id: string; open: number }): Unread {
  return { position: row.position, replyId: row.id, isOpen: row.open === 1 }
}
