/**
 * What can happen in an interaction beside posts and the events of replies, and what is kept of it: ids, and no
 * words of anybody. To add one: a line here, where it is recorded, and in `docs/protocol.md`.
 */
export interface ChangeData {
  'message.changed': { message_id: string; position: number }
  'message.deleted': { message_id: string; position: number }
  'interaction.changed': Record<string, never>
  'branch.created': { number: number; parent: number; fork_position: number; first_position: number }
  /**
   * A reply is made once more, in its place; `after_event` is the last event of its log by then. Readers are told by
   * the log itself, which goes on with an event of that name.
   */
  'reply.requeued': { message_id: string; position: number; after_event: number }
}

export type ChangeType = keyof ChangeData

/** A change as it is kept. */
export type Change = {
  [Type in ChangeType]: {
    /** 1, 2, 3, … in the interaction, without gaps. */
    sequence: number
    /** The last position of the interaction when it happened. */
    position: number
    type: Type
    data: ChangeData[Type]
  }
}[ChangeType]
