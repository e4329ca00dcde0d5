import { sql } from 'kysely'
import type { Storage } from '../storage/storage.ts'
import type { EventType, ReplyEvent } from './event.ts'

/** How many events of one reply are read at once. */
export const maxOfOne = 500

/** How far a log is known. */
export interface Known {
  replyId: string
  /** The sequence of its last event that is known. */
  after: number
}

/** What is behind `known`, of many replies in one statement; what has nothing new is left out. */
export type ReadTogether = (known: Known[]) => Promise<Map<string, ReplyEvent[]>>

/** On PostgreSQL, where others write and a round trip costs what ten rows do. */
export function createReadTogether(storage: Storage): ReadTogether {
  const select = storage.prepare((db, given: { ids: string[]; afters: number[] }) =>
    db
      .selectFrom(
        sql<{ id: string; after: number }>`unnest(${given.ids}::uuid[], ${given.afters}::int[])`.as<'known'>(
          sql`known(id, after)`,
        ),
      )
      .innerJoin('replies', 'replies.id', 'known.id')
      .innerJoinLateral(
        (from) =>
          from
            .selectFrom('events')
            .select(['sequence', 'type', 'data_json as data'])
            .whereRef('events.log', '=', 'replies.log')
            .whereRef('sequence', '>', 'known.after')
            .orderBy('sequence')
            .limit(maxOfOne)
            .as('new'),
        (join) => join.onTrue(),
      )
      .select(['known.id', 'new.sequence', 'new.type', 'new.data'])
      .orderBy('known.id')
      .orderBy('new.sequence'),
  )

  return async (known) => {
    const { rows } = await select(storage.db, {
      ids: known.map(({ replyId }) => replyId),
      afters: known.map(({ after }) => after),
    })
    const found = new Map<string, ReplyEvent[]>()
    for (const { id, sequence, type, data } of rows) {
      const event = { sequence, type: type as EventType, data }
      const events = found.get(id)
      if (events) events.push(event)
      else found.set(id, [event])
    }
    return found
  }
}
