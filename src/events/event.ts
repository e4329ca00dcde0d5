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
  | 'reasoning.delta'
  | 'text.delta'
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
  if (last && last.type === event.type && isDelta(event.type)) {
    const text = (last.data as { text: string }).text + (event.data as { text: string }).text
    waiting[waiting.length - 1] = { type: event.type, data: { text } }
  } else {
    waiting.push(event)
  }
}

function isDelta(type: EventType): boolean {
  return type === 'text.delta' || type === 'reasoning.delta'
}
