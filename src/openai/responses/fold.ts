import type { ReplyEvent } from '../../events/event.ts'
import type { Making, MessageStatus, Usage } from '../../messages/message.ts'
import { createRetelling } from '../../replies/retelling.ts'
import type { OutputItem } from '../item.ts'
import { statusOf } from './outcome.ts'
import type { ResponseObject } from './response.ts'
import { createTelling } from './telling.ts'

/** An event of a response, as OpenAI tells it. */
export interface ResponseEvent {
  type: string
  sequence_number: number
  [field: string]: unknown
}

/** The response as it is while it is made, and at the end of it. */
export type Snapshot = (making: Making, output: OutputItem[]) => ResponseObject

/** The final event of each ending. OpenAI has none for what was cancelled: its `response` says that it was. */
const finalEvents: Partial<Record<MessageStatus, string>> = {
  completed: 'response.completed',
  incomplete: 'response.incomplete',
  failed: 'response.failed',
  cancelled: 'response.incomplete',
}

/**
 * Folds the log of a reply, from its beginning, into the events of a response. What it gives for a log, the numbers
 * of its events included, depends on nothing but that log: so anybody can go on from any number, at any time.
 */
export function createFold(reply: { id: string; model: string; isBackground: boolean }, snapshot: Snapshot) {
  let events: ResponseEvent[] = []
  let next = 0
  let hasStarted = false
  let attempt = 0
  let { model } = reply

  function emit(type: string, fields: object): void {
    events.push({ type, sequence_number: next, ...fields })
    next += 1
  }

  const telling = createTelling(reply.id, emit)
  const retelling = createRetelling(telling)

  function progress(status: 'queued' | 'in_progress', type: string): void {
    emit(type, { response: snapshot(unfinished(status, model, attempt), []) })
  }

  function start(): void {
    if (hasStarted) return
    hasStarted = true
    progress('in_progress', 'response.in_progress')
  }

  function flush(): ResponseEvent[] {
    const told = events
    events = []
    return told
  }

  /** What is told before anything has happened. */
  function begin(): ResponseEvent[] {
    progress(reply.isBackground ? 'queued' : 'in_progress', 'response.created')
    if (reply.isBackground) progress('queued', 'response.queued')
    else start()
    return flush()
  }

  /** What is told of the next event of the log. */
  function add({ type, data }: ReplyEvent): ResponseEvent[] {
    retelling.add({ type, data })
    switch (type) {
      case 'text.delta':
      case 'reasoning.delta':
      case 'refusal.delta':
      case 'tool_call.started':
      case 'tool_call.delta':
      case 'tool_call.done':
        break
      case 'reply.completed':
      case 'reply.incomplete':
      case 'reply.failed':
      case 'reply.cancelled':
        finish(JSON.parse(data) as FinalData)
        break
      default:
        goOn(type, data)
    }
    return flush()
  }

  function goOn(type: string, data: string): void {
    const begun = JSON.parse(data) as { attempt?: number; model?: string }
    attempt = begun.attempt ?? attempt
    model = begun.model ?? model
    // Of all others only that something began is of interest, as of an attempt that goes on with what was said.
    if (type !== 'reply.retrying' && type !== 'reply.requeued') start()
  }

  function finish({ status, attempt: last, finish_reason, usage, error }: FinalData): void {
    retelling.finish(status === 'completed')
    const making = { status, model, tried: [], attempt: last, finishReason: finish_reason, usage, error }
    const type = finalEvents[statusOf(making)] ?? 'response.incomplete'
    emit(type, { response: snapshot({ ...making, completedAt: null }, telling.items) })
  }

  return { begin, add }
}

interface FinalData {
  status: MessageStatus
  attempt: number
  finish_reason: string | null
  usage: Usage | null
  error: Making['error']
}

function unfinished(status: MessageStatus, model: string, attempt: number): Making {
  return {
    status,
    model,
    tried: [],
    attempt,
    finishReason: null,
    usage: null,
    error: null,
    completedAt: null,
  }
}
