import { type Json, type StreamEvent, textOf } from '../client.ts'
import { isWholeAnswer } from './model.ts'
import { isEnd } from './readers.ts'
import type { Attempted, Reading } from './witness.ts'

/** What should never be, and how the summary calls it. */
export type Kind =
  | 'lost'
  | 'there twice'
  | 'out of place'
  | 'position gap'
  | 'left open'
  | 'not completed'
  | 'event gap'
  | 'event repeated'
  | 'not one end'
  | 'text differs'

export interface Finding {
  kind: Kind
  what: string
}

/**
 * A post that was accepted is there once, where it was told to be; one that was refused is not there. `found`
 * are the messages with its content, `reply` is the one it was told of.
 */
export function checkPost({ content, interactionId, outcome, told }: Attempted, found: Json[], reply: Json) {
  const finding = (kind: Kind, what = content): Finding[] => [{ kind, what }]
  const [message] = found
  if (found.length > 1) return finding('there twice')
  if (outcome === 'unanswered') return []
  if (outcome === 'refused') return message ? finding('out of place', `${content}, refused`) : []
  if (!message) return finding('lost')
  if (message.interaction_id !== interactionId) return finding('out of place')
  if (!told) return []
  const isInPlace =
    message.id === told.messageId &&
    message.position === told.position &&
    reply?.position === told.replyPosition &&
    reply.interaction_id === interactionId
  return isInPlace ? [] : finding('out of place')
}

/** What one poster said in an interaction is there in the order in which it was said. */
export function checkOrder(attempted: Attempted[]): Finding[] {
  const last = new Map<string, number>()
  return attempted.flatMap(({ poster, interactionId, content, told }) => {
    if (!told) return []
    const key = `${poster} ${interactionId}`
    const isBehind = told.position > (last.get(key) ?? 0)
    last.set(key, told.position)
    return isBehind ? [] : [{ kind: 'out of place', what: content } as const]
  })
}

/** Positions are 1, 2, 3, …, and every question is followed by its answer. */
export function checkPositions(messages: Json[]): Finding[] {
  return messages.flatMap(({ id, position, role }, index): Finding[] => {
    if (position !== index + 1) return [{ kind: 'position gap', what: `${id} at ${position}` }]
    const expected = index % 2 === 0 ? 'Human' : 'AI'
    return role === expected ? [] : [{ kind: 'out of place', what: `${role} at ${position}` }]
  })
}

/** A reply has ended, once, and its log tells the same as its message. */
export function checkReply(reply: Json, question: Json, log: StreamEvent[]): Finding[] {
  const { id, status, text } = reply
  if (status === 'queued' || status === 'in_progress') return [{ kind: 'left open', what: id }]
  const findings = checkSequence(id, log)
  if (status !== 'completed') findings.push({ kind: 'not completed', what: `${id}, ${reply.error?.code}` })
  const ends = log.filter(isEnd)
  if (ends.length !== 1 || log.at(-1)?.type !== `reply.${status}`) {
    findings.push({
      kind: 'not one end',
      what: `${id}, ${ends.map(({ type }) => type).join(', ') || 'none'}`,
    })
  }
  if (textOf(log) !== text) findings.push({ kind: 'text differs', what: `${id}, its log` })
  if (status === 'completed' && !isWholeAnswer(text, question?.text)) {
    findings.push({ kind: 'text differs', what: `${id}, no whole answer: ${text}` })
  }
  return findings
}

/** A reader saw every event once, in order, and has the text on its screen that is stored. */
export function checkReading({ replyId, events }: Reading, reply: Json): Finding[] {
  const findings = checkSequence(`${replyId}, as read`, events)
  if (events.filter(isEnd).length !== 1) findings.push({ kind: 'not one end', what: `${replyId}, as read` })
  if (textOf(events) !== reply?.text) findings.push({ kind: 'text differs', what: `${replyId}, as read` })
  return findings
}

function checkSequence(name: string, events: StreamEvent[]): Finding[] {
  let last = 0
  return events.flatMap(({ id = 0 }) => {
    const expected = last + 1
    last = Math.max(last, id)
    if (id === expected) return []
    const kind: Kind = id < expected ? 'event repeated' : 'event gap'
    return [{ kind, what: `${name}, ${id} instead of ${expected}` }]
  })
}
