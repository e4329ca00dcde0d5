import type { Changes } from '../events/changes.ts'
import type { EventLog } from '../events/log.ts'
import type { Interaction } from '../interactions/interaction.ts'
import type { Message } from '../messages/message.ts'
import type { Unread } from './place.ts'

/** Some positions: those behind `after`, up to `to`, at most `limit` of what is there. */
export interface Range {
  after: number
  to: number
  limit: number
}

/** What a feed is read from. */
export interface FeedSources {
  interactionId: string
  changes: Pick<Changes, 'headOf' | 'read' | 'watch' | 'wasRequeued'>
  tail: EventLog['tail']
  messagesBetween: (range: Range) => Promise<Message[]>
  repliesBetween: (range: Range) => Promise<Unread[]>
  /** Undefined where it is gone. */
  findMessage: (id: string) => Promise<Message | undefined>
  /** The same for the interaction itself. */
  findInteraction: () => Promise<Interaction | undefined>
}
