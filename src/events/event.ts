/** What happened to a reply, as it is kept and sent. */
export interface ReplyEvent {
  /** 1, 2, 3, … without gaps: a reader's place in the log. */
  sequence: number
  type: EventType
  /** JSON, sent as it stands. */
  data: string
}

/** The kinds of events, in `docs/protocol.md` with what each carries. */
export type EventType =
  | 'reply.started'
  | 'reply.restarted'
  | 'reply.resumed'
  | 'reply.retrying'
  | 'compaction.done'
  | 'reasoning.delta'
  | 'reasoning.sealed'
  | 'text.delta'
  | 'refusal.delta'
  | 'tool_call.started'
  | 'tool_call.delta'
  | 'tool_call.done'
  | 'reply.completed'
  | 'reply.incomplete'
  | 'reply.failed'
  | 'reply.cancelled'
  | 'reply.requeued'

/** Whether the reply has ended with it. No event follows, unless the reply is requeued. */
export function isEnd(type: EventType): boolean {
  return (
    type === 'reply.completed' ||
    type === 'reply.incomplete' ||
    type === 'reply.failed' ||
    type === 'reply.cancelled'
  )
}

/** Whether a log is at an end behind `events`, a part of it; undefined where they do not say. */
export function endsWith(events: Array<Pick<ReplyEvent, 'type'>>): boolean | undefined {
  const telling = events.findLast(({ type }) => isEnd(type) || type === 'reply.requeued')
  return telling && isEnd(telling.type)
}

/** An event that is not in the log yet. */
export interface NewEvent {
  type: EventType
  data: object
}

/**
 * Adds `event` to those that wait for the next commit. Pieces of one text that wait together become one event,
 * so that under load there are fewer and longer ones, and no reader waits longer for it.
 */
export function addTo(waiting: NewEvent[], event: NewEvent): void {
  const last = waiting.at(-1)
  const joined = last?.type === event.type ? joinPieces(event.type, last.data, event.data) : undefined
  if (joined) waiting[waiting.length - 1] = { type: event.type, data: joined }
  else waiting.push(event)
}

/** Two pieces as one; undefined where they are no pieces of the same. */
function joinPieces(type: EventType, first: object, second: object): object | undefined {
  if (type === 'text.delta' || type === 'reasoning.delta' || type === 'refusal.delta') {
    return { text: (first as TextPiece).text + (second as TextPiece).text }
  }
  if (type !== 'tool_call.delta') return undefined
  const [one, other] = [first as CallPiece, second as CallPiece]
  if (one.call_id !== other.call_id) return undefined
  return { call_id: one.call_id, arguments: one.arguments + other.arguments }
}

interface TextPiece {
  text: string
}
interface CallPiece {
  call_id: string
  arguments: string
}
