import type { EventType, ReplyEvent } from '../events/event.ts'
import type { ContentPart } from '../messages/content.ts'

/** Adds a piece of an answer to what was said before it: pieces of one kind are one part. */
export function addPiece(content: ContentPart[], type: ContentPart['type'], text: string): void {
  const last = content.at(-1)
  if (last?.type === type) last.text += text
  else content.push({ type, text })
}

/** What a reader of `events`, a log from its beginning, has been told: and keeps: what the last attempts said. */
export function saidIn(events: Array<Pick<ReplyEvent, 'type' | 'data'>>): ContentPart[] {
  let content: ContentPart[] = []
  for (const { type, data } of events) {
    const kind = pieces[type]
    if (kind) addPiece(content, kind, (JSON.parse(data) as { text: string }).text)
    else if (voids.has(type)) content = []
  }
  return content
}

const voids = new Set<EventType>(['reply.started', 'reply.restarted', 'reply.requeued'])

const pieces: Partial<Record<EventType, ContentPart['type']>> = {
  'text.delta': 'text',
  'reasoning.delta': 'reasoning',
}
