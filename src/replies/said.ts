import type { NewEvent, ReplyEvent } from '../events/event.ts'
import type { CompactionPart, ContentPart, ReasoningPart } from '../messages/content.ts'

/** The kinds of parts that are told in pieces of text. */
export type Kind = 'text' | 'reasoning' | 'refusal'

/** Adds a piece of an answer to what was said before it: pieces of one kind are one part. */
export function addPiece(content: ContentPart[], type: Kind, text: string): void {
  const last = content.at(-1)
  if (last?.type === type && !isSealed(last)) last.text += text
  else content.push({ type, text })
}

function isSealed(part: ContentPart): boolean {
  return part.type === 'reasoning' && part.sealed === true
}

/** A thought as its provider made it. */
export type SealedThought = Required<Pick<ReasoningPart, 'text' | 'provider'>> &
  Pick<ReasoningPart, 'call_id'>

/** Seals what was thought: of thoughts that were told one after the other, the oldest that is not sealed. */
function addSealed(content: ContentPart[], thought: SealedThought): void {
  const part: ReasoningPart = { type: 'reasoning', ...thought, sealed: true }
  const last = content.at(-1)
  const rest =
    last?.type === 'reasoning' && !last.sealed && last.text.startsWith(thought.text) ? last : undefined
  if (!rest) {
    content.push(part)
    return
  }
  const text = rest.text.slice(thought.text.length)
  content.splice(-1, 1, part, ...(text === '' ? [] : [{ type: 'reasoning' as const, text }]))
}

/** What a reader of `events`, a log from its beginning, has been told and keeps: what the last attempts said. */
export function saidIn(events: Array<Pick<ReplyEvent, 'type' | 'data'>>): ContentPart[] {
  const content: ContentPart[] = []
  addSaid(content, events)
  return content
}

/** Makes of what a reader has been told what it is behind `events`, which come next. */
export function addSaid(content: ContentPart[], events: Array<Pick<ReplyEvent, 'type' | 'data'>>): void {
  for (const { type, data } of events) addEvent(content, type, data)
}

/** Whose words those are: the model of the last attempt that began anew. */
export function speakerIn(events: Array<Pick<ReplyEvent, 'type' | 'data'>>): string | undefined {
  const begun = events.findLast(({ type }) => type === 'reply.started' || type === 'reply.restarted')
  return begun && (JSON.parse(begun.data) as { model: string }).model
}

/** The summary of what was said before an answer, if readers were told one since it was asked for. */
export function compactionIn(
  events: Array<Pick<ReplyEvent, 'type' | 'data'>>,
): Omit<CompactionPart, 'type'> | undefined {
  const asked = events.findLastIndex(({ type }) => type === 'reply.requeued')
  const told = events.slice(asked + 1).findLast(({ type }) => type === 'compaction.done')
  return told && (JSON.parse(told.data) as Omit<CompactionPart, 'type'>)
}

/** The ids of all calls that were told, whatever became of them. */
export function callIdsIn(events: Array<Pick<ReplyEvent, 'type' | 'data'>>): Set<string> {
  const started = events.filter(({ type }) => type === 'tool_call.started')
  return new Set(started.map(({ data }) => (JSON.parse(data) as Told).call_id))
}

function addEvent(content: ContentPart[], type: NewEvent['type'], json: string): void {
  switch (type) {
    case 'reply.started':
    case 'reply.restarted':
    case 'reply.requeued':
      content.length = 0
      break
    case 'text.delta':
    case 'reasoning.delta':
    case 'refusal.delta':
      addPiece(content, type.slice(0, -'.delta'.length) as Kind, (JSON.parse(json) as { text: string }).text)
      break
    case 'compaction.done':
      content.push({ type: 'compaction', ...(JSON.parse(json) as Omit<CompactionPart, 'type'>) })
      break
    case 'reasoning.sealed':
      addSealed(content, JSON.parse(json) as SealedThought)
      break
    case 'tool_call.started': {
      content.push({ type: 'tool_call', ...(JSON.parse(json) as Told), arguments: '' })
      break
    }
    case 'tool_call.delta': {
      const told = JSON.parse(json) as Told
      const call = callIn(content, told.call_id)
      if (call) call.arguments += told.arguments
      break
    }
    case 'tool_call.done': {
      const told = JSON.parse(json) as Told
      const call = callIn(content, told.call_id)
      if (call) Object.assign(call, told)
      break
    }
    default:
  }
}

interface Told {
  call_id: string
  name: string
  namespace?: string
  arguments: string
}

/** The call of that id, in the answer that is being made. */
function callIn(content: ContentPart[], callId: string) {
  return content.findLast((part) => part.type === 'tool_call' && part.call_id === callId) as
    | Extract<ContentPart, { type: 'tool_call' }>
    | undefined
}
