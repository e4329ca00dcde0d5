import { interactionView } from '../interactions/schemas.ts'
import { messageView } from '../messages/schemas.ts'
import { type Framed, toFrames } from '../replies/frames.ts'
import type { FeedEvent, Told } from './event.ts'

/** What happened, as frames of an event stream. */
export function feedFrames(batches: AsyncIterable<FeedEvent[]>): AsyncGenerator<string> {
  return toFrames(framed(batches))
}

async function* framed(batches: AsyncIterable<FeedEvent[]>): AsyncGenerator<Framed[]> {
  for await (const batch of batches) {
    yield batch.map(({ cursor, ...told }) => ({ sequence: cursor, type: told.type, data: jsonOf(told) }))
  }
}

function jsonOf(told: Told): string {
  // An event of a log is never empty: the reply that it is of goes in front of what it says.
  if ('json' in told) return `{"message_id":"${told.replyId}",${told.json.slice(1)}`
  if ('message' in told) return JSON.stringify({ message: messageView(told.message) })
  if ('interaction' in told) return JSON.stringify({ interaction: interactionView(told.interaction) })
  return JSON.stringify(told.data)
}
