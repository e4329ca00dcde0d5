import type {
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider'
import { refusalMark } from '../call-options.ts'
import { explainFailure, ProviderFailure } from '../failure.ts'
import { callsIn, createToolCalls, isJson, type ToolCall, type ToolCallDelta } from './tool-calls.ts'
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
  refusal?: string | null
  reasoning?: string | null
  reasoning_content?: string | null
  tool_calls?: ToolCallDelta[] | null
}

export type ChunkReader = ReturnType<typeof createChunkReader>
type Emit = (part: LanguageModelV4StreamPart) => void

/**
 * Turns the chunks of one chat completion into the parts of the port. `take` throws a ProviderFailure for an
 * error that comes as data; `end` throws one when the stream ended without its mark (a finish reason, or
 * `[DONE]`): such an answer is not complete, however cleanly its connection was closed. `onThought` is called for
 * what comes as `reasoning_content`, and says what marks it.
 */
export function createChunkReader(
  emit: Emit,
  onThought: () => SharedV4ProviderMetadata | undefined = () => undefined,
) {
  const toolCalls = createToolCalls()
  let open: 'text' | 'reasoning' | 'refusal' | undefined
  /** Of the thought that is open. */
  let mark: SharedV4ProviderMetadata | undefined
  let finish: LanguageModelV4FinishReason | undefined
  let usage: ChatUsage | null | undefined

  function take(chunk: Chunk) {
    if (chunk.error !== undefined && chunk.error !== null) throw explainFailure(chunk.error)
    usage = chunk.usage ?? usage
    const choice = chunk.choices?.[0]
    const delta = choice?.delta ?? choice?.message
    if (delta) takeDelta(delta)
    const reason = choice?.finish_reason
    if (typeof reason === 'string' && reason !== '') finish = finishReason(reason)
  }

  function takeDelta(delta: Delta) {
    say('reasoning', delta.reasoning_content || delta.reasoning)
    if (delta.reasoning_content) mark = onThought()
    say('text', delta.content)
    say('refusal', delta.refusal)
    for (const { call, more } of toolCalls.take(callsIn(delta.tool_calls))) tellCall(call, more)
  }

  function say(kind: 'text' | 'reasoning' | 'refusal', delta: string | null | undefined) {
    if (typeof delta !== 'string' || delta === '') return
    if (open !== kind) {
      close()
      open = kind
      emit({ type: `${partOf(kind)}-start`, id: kind })
    }
    if (kind === 'refusal') emit({ type: 'text-delta', id: kind, delta, providerMetadata: refusalMark })
    else emit({ type: `${kind}-delta`, id: kind, delta })
  }

  function close() {
    if (open) emit({ type: `${partOf(open)}-end`, id: open, ...(mark && { providerMetadata: mark }) })
    open = undefined
    mark = undefined
  }

  function tellCall(call: ToolCall, more: string) {
    close()
    if (call.name === '') return
    const untold = call.isTold ? more : call.input
    if (!call.isTold) emit({ type: 'tool-input-start', id: call.id, toolName: call.name })
    call.isTold = true
    if (untold !== '') emit({ type: 'tool-input-delta', id: call.id, delta: untold })
  }

  function end({ sawDone }: { sawDone: boolean }) {
    close()
    if (!finish && !sawDone) {
      throw new ProviderFailure('provider_interrupted', 'the stream ended without a finish reason or [DONE]')
    }
    for (const { id, name, input } of toolCalls.calls) {
      if (name === '') throw new ProviderFailure('provider_malformed', 'a tool call without a name')
      emit({ type: 'tool-input-end', id })
      // The limit was reached in the middle of it.
      if (finish?.unified === 'length' && !isJson(input || '{}')) continue
      emit({ type: 'tool-call', toolCallId: id, toolName: name, input: input || '{}' })
    }
    emit({
      type: 'finish',
      finishReason: finish ?? { unified: toolCalls.calls.length > 0 ? 'tool-calls' : 'stop', raw: undefined },
      usage: chatUsage(usage),
    })
  }

  return { take, end }
}

/** The kind of part that it is in the port, which has none for a refusal. */
function partOf(kind: 'text' | 'reasoning' | 'refusal'): 'text' | 'reasoning' {
  return kind === 'refusal' ? 'text' : kind
}
