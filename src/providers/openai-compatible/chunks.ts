import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { explainFailure, ProviderFailure } from '../failure.ts'
import { type ChatUsage, chatUsage, finishReason } from './usage.ts'

/** A `chat.completion.chunk`, and a whole `chat.completion`, as far as they are read. */
export interface Chunk {
  error?: unknown
  usage?: ChatUsage | null
  choices?: Array<{
    delta?: Delta | null
    message?: Delta | null
    finish_reason?: string | null
  }> | null
}

interface Delta {
  content?: string | null
  reasoning?: string | null
  reasoning_content?: string | null
  tool_calls?: ToolCallDelta[] | null
}

interface ToolCallDelta {
  index?: number
  id?: string | null
  function?: { name?: string | null; arguments?: string | null } | null
}

interface ToolCall {
  id: string
  name: string
  input: string
}

type Emit = (part: LanguageModelV4StreamPart) => void

/**
 * Turns the chunks of one chat completion into the parts of the port. `take` throws a ProviderFailure for an
 * error that comes as data; `end` throws one when the stream ended without its mark (a finish reason, or
 * `[DONE]`): such an answer is not complete, however cleanly its connection was closed.
 */
export function createChunkReader(emit: Emit) {
  const toolCalls = new Map<number, ToolCall>()
  let open: 'text' | 'reasoning' | undefined
  let finish: LanguageModelV4FinishReason | undefined
  let usage: ChatUsage | null | undefined

  function take(chunk: Chunk) {
    if (chunk.error !== undefined && chunk.error !== null) throw explainFailure(chunk.error)
    usage = chunk.usage ?? usage
    const choice = chunk.choices?.[0]
    const delta = choice?.delta ?? choice?.message
    if (delta) takeDelta(delta)
    if (choice?.finish_reason) finish = finishReason(choice.finish_reason)
  }

  function takeDelta(delta: Delta) {
    say('reasoning', delta.reasoning_content ?? delta.reasoning)
    say('text', delta.content)
    for (const [place, call] of (delta.tool_calls ?? []).entries()) takeToolCall(call, place)
  }

  function say(kind: 'text' | 'reasoning', delta: string | null | undefined) {
    if (typeof delta !== 'string' || delta === '') return
    if (open !== kind) {
      close()
      open = kind
      emit({ type: `${kind}-start`, id: kind })
    }
    emit({ type: `${kind}-delta`, id: kind, delta })
  }

  function close() {
    if (open) emit({ type: `${open}-end`, id: open })
    open = undefined
  }

  function takeToolCall(delta: ToolCallDelta, place: number) {
    const index = delta.index ?? place
    let call = toolCalls.get(index)
    if (!call) {
      close()
      call = { id: delta.id || `call_${index}`, name: delta.function?.name ?? '', input: '' }
      toolCalls.set(index, call)
      emit({ type: 'tool-input-start', id: call.id, toolName: call.name })
    }
    const more = delta.function?.arguments
    if (!more) return
    call.input += more
    emit({ type: 'tool-input-delta', id: call.id, delta: more })
  }

  function end({ sawDone }: { sawDone: boolean }) {
    close()
    if (!finish && !sawDone) {
      throw new ProviderFailure('provider_interrupted', 'the stream ended without a finish reason or [DONE]')
    }
    for (const { id, name, input } of toolCalls.values()) {
      emit({ type: 'tool-input-end', id })
      emit({ type: 'tool-call', toolCallId: id, toolName: name, input: input || '{}' })
    }
    emit({
      type: 'finish',
      finishReason: finish ?? { unified: toolCalls.size > 0 ? 'tool-calls' : 'stop', raw: undefined },
      usage: chatUsage(usage),
    })
  }

  return { take, end }
}
