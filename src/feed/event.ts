import type { ChangeType } from '../events/change.ts'
import type { EventType } from '../events/event.ts'
import type { Interaction } from '../interactions/interaction.ts'
import type { Message } from '../messages/message.ts'

/** Something that happened in an interaction. */
export type Told =
  | { type: 'message.created' | 'message.changed'; message: Message }
  | { type: 'interaction.changed'; interaction: Interaction }
  /** What is kept of it is all there is to say. */
  | {
      type:
        | Exclude<ChangeType, 'message.changed' | 'interaction.changed' | 'reply.requeued'>
        | 'interaction.deleted'
        | 'stream.opened'
      data: object
    }
  /** An event of the log of a reply, as it stands there. */
  | { type: EventType; replyId: string; json: string }

/** The same, with the place of a reader who has it; there is none behind the end of the interaction. */
export type FeedEvent = Told & { cursor: string | undefined }
