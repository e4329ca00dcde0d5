import { replyErrors, type ReplyErrorCode } from '../../errors.ts'
import { type EventType, isEnd, type ReplyEvent } from '../../events/event.ts'
import type { Usage } from '../../messages/message.ts'
import { finishReasonOf, usageOf } from './completion.ts'

/** Of what the frames of one answer are made. */
export interface ChunkOptions {
  id: string
  /** In seconds. */
  created: number
  model: string
  /** Whether a last chunk tells the usage. */
  includesUsage: boolean
}

/** What an answer came to that is no completion. */
export interface StreamError {
  code: ReplyErrorCode | 'cancelled' | 'restarted' | 'removed'
  message: string
}

interface Ending {
  status: 'completed' | 'incomplete' | 'failed' | 'cancelled'
  finish_reason: string | null
  usage: Usage | null
  error: { code: ReplyErrorCode; message: string } | null
}

const restarted: StreamError = {
  code: 'restarted',
  message: 'The server was interrupted, and the answer begins anew: read it where x-parley-events says.',
}
export const cancelled: StreamError = { code: 'cancelled', message: 'The answer was cancelled.' }
export const deleted: StreamError = { code: 'removed', message: 'The answer was deleted.' }

type Field = 'content' | 'reasoning_content' | 'refusal'

/**
 * Folds the log of a reply into frames of `chat.completion.chunk`: the same frames for the same events. A chunk
 * cannot take back what was said before it: an attempt that begins anew is silent for as long as it says the same,
 * and ends the stream where it says something else. `onError` makes the frame of an error.
 */
export function createChunkFold(options: ChunkOptions, onError: (error: StreamError) => string) {
  const { id, created, model, includesUsage } = options
  const head = `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created, model }).slice(0, -1)},"choices":[`
  const tail = includesUsage ? '],"usage":null}\n\n' : ']}\n\n'
  const callIndex = new Map<string, number>()
  /** The arguments of each call that were told already. */
  const told = new Map<string, string>()
  const said: Record<Field, string> = { content: '', reasoning_content: '', refusal: '' }
  const repeating = { ...said }
  let hasBegun = false
  let isOver = false

  /** `delta` is JSON. */
  function chunk(delta: string, finishReason: string | null = null): string {
    const reason = JSON.stringify(finishReason)
    return `${head}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}${tail}`
  }

  function begin(): string {
    if (hasBegun) return ''
    hasBegun = true
    return chunk('{"role":"assistant","content":"","refusal":null}')
  }

  /** Texts are compared and passed on as they stand in JSON: reading and writing each would cost as much as all else. */
  function say(field: Field, data: string): string {
    const text = data.slice('{"text":"'.length, -'"}'.length)
    const again = repeating[field]
    if (again.startsWith(text)) {
      repeating[field] = again.slice(text.length)
      if (again !== '' || text === '') return ''
    }
    if (!text.startsWith(again)) return fail(restarted)
    repeating[field] = ''
    const piece = text.slice(again.length)
    said[field] += piece
    return `${begin()}${chunk(`{"${field}":"${piece}"}`)}`
  }

  /** What was told already is awaited once more. Of calls it cannot be: each has an id of its own. */
  function restart(): string {
    if (callIndex.size > 0) return fail(restarted)
    Object.assign(repeating, said)
    return ''
  }

  function startCall(data: string): string {
    const { call_id: callId, name } = JSON.parse(data) as { call_id: string; name: string }
    const index = callIndex.size
    callIndex.set(callId, index)
    told.set(callId, '')
    return begin() + call({ index, id: callId, type: 'function', function: { name, arguments: '' } })
  }

  function addArguments(callId: string, args: string): string {
    const index = callIndex.get(callId)
    if (index === undefined || args === '') return ''
    told.set(callId, (told.get(callId) ?? '') + args)
    return call({ index, function: { arguments: args } })
  }

  /** Some providers tell the arguments only now. */
  function endCall(data: string): string {
    const { call_id: callId, arguments: args } = JSON.parse(data) as { call_id: string; arguments: string }
    const before = told.get(callId) ?? ''
    return args.startsWith(before) ? addArguments(callId, args.slice(before.length)) : ''
  }

  function call(toolCall: object): string {
    return chunk(JSON.stringify({ tool_calls: [toolCall] }))
  }

  function end(data: string): string {
    const { status, finish_reason: finishReason, usage, error } = JSON.parse(data) as Ending
    isOver = true
    if (Object.values(repeating).some((text) => text !== '')) return fail(restarted)
    const reason = finishReasonOf({ status, finishReason }, callIndex.size > 0)
    if (reason === null) return fail(error ?? (status === 'cancelled' ? cancelled : unexplained))
    const counted = includesUsage && usage ? usageOf(usage) : undefined
    const last = counted ? `${head}],"usage":${JSON.stringify(counted)}}\n\n` : ''
    return `${begin()}${chunk('{}', reason)}${last}data: [DONE]\n\n`
  }

  function fail(error: StreamError): string {
    isOver = true
    return `${onError(error)}data: [DONE]\n\n`
  }

  /** The frames of an event; '' where it has none. */
  function framesOf({ type, data }: Pick<ReplyEvent, 'type' | 'data'>): string {
    if (isOver) return ''
    switch (type) {
      case 'text.delta':
        return say('content', data)
      case 'reasoning.delta':
        return say('reasoning_content', data)
      case 'refusal.delta':
        return say('refusal', data)
      case 'tool_call.started':
        return startCall(data)
      case 'tool_call.delta': {
        const { call_id: callId, arguments: args } = JSON.parse(data) as {
          call_id: string
          arguments: string
        }
        return addArguments(callId, args)
      }
      case 'tool_call.done':
        return endCall(data)
      case 'reply.restarted':
        return restart()
      default:
        return isEnd(type) ? end(data) : ''
    }
  }

  return {
    framesOf,
    /** The frames of an end that no event tells. */
    fail,
    /** Whether something was told. */
    get hasBegun() {
      return hasBegun
    },
    get isOver() {
      return isOver
    },
  }
}

const unexplained: StreamError = { code: 'internal_error', message: replyErrors.internal_error }

/** Whether the event is the first that a reader could see something of. */
export function isVisible(type: EventType): boolean {
  return !unseen.has(type)
}

const unseen = new Set<EventType>([
  'reply.started',
  'reply.restarted',
  'reply.resumed',
  'reply.retrying',
  'compaction.done',
])

/** The events of a batch that count for who was told nothing yet: those of the last attempt in it. */
export function sinceRestart(batch: ReplyEvent[], hasBegun: boolean): ReplyEvent[] {
  const at = hasBegun ? -1 : batch.findLastIndex(({ type }) => type === 'reply.restarted')
  return at === -1 ? batch : batch.slice(at)
}
