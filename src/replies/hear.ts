import type {
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider'
import type { NewEvent } from '../events/event.ts'
import type { ContentPart, ReasoningPart, ToolCallPart } from '../messages/content.ts'
import { isRefusal } from '../providers/call-options.ts'
import { carried, createCarrying } from '../text.ts'
import type { Calls } from './calls.ts'
import { addPiece } from './said.ts'

/** What a model said. */
export interface Heard {
  content: ContentPart[]
  finish: { reason: LanguageModelV4FinishReason; usage: LanguageModelV4Usage } | undefined
}

type Thought = Extract<
  LanguageModelV4StreamPart,
  { type: 'reasoning-start' | 'reasoning-delta' | 'reasoning-end' }
>
type ToolCall = Extract<LanguageModelV4StreamPart, { type: 'tool-call' }>
type Wait = Promise<void> | undefined

/**
 * Adds what a model streams to `heard`, behind what is there, and tells the events of it with `tell`, whose promise is
 * handed on. Calls of tools that the provider runs itself are no parts: it was given none. A model may say what no text
 * can hold.
 */
export function createHearing(
  heard: Heard,
  { calls, sealsThoughts = false }: { calls: Calls; sealsThoughts?: boolean | undefined },
  tell: (event: NewEvent) => Wait,
) {
  const { content } = heard
  /** What is being thought, by the provider's name for it. */
  const thoughts = new Map<string, ReasoningPart>()
  /** By what is being said: its pieces may end within a character, and something else be said before the rest. */
  const carrying = new Map<string, ReturnType<typeof createCarrying>>()
  let chars = content.reduce((sum, part) => sum + ('text' in part ? part.text.length : 0), 0)

  function hear(part: LanguageModelV4StreamPart): Wait {
    switch (part.type) {
      case 'text-delta':
        return say(isRefusal(part) ? 'refusal' : 'text', part.delta)
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
        return think(part)
      case 'tool-input-start':
        return part.providerExecuted ? undefined : startCall(carried(part.id), carried(part.toolName))
      case 'tool-input-delta':
        return addArguments(carried(part.id), part.delta)
      case 'tool-call':
        return part.providerExecuted ? undefined : endCall(part)
      case 'error':
        throw part.error
      case 'finish':
        heard.finish = { reason: part.finishReason, usage: part.usage }
        return sealAll() ?? sealCalls()
      default:
        return undefined
    }
  }

  function piece(of: string, delta: string): string {
    let carry = carrying.get(of)
    if (!carry) carrying.set(of, (carry = createCarrying()))
    return carry(delta)
  }

  function say(type: 'text' | 'refusal', said: string): Wait {
    const delta = piece(type, said)
    if (delta === '') return undefined
    void sealAll()
    addPiece(content, type, delta)
    chars += delta.length
    return tell({ type: `${type}.delta`, data: { text: delta } })
  }

  function think(part: Thought): Wait {
    const delta = part.type === 'reasoning-delta' ? piece(`reasoning ${part.id}`, part.delta) : ''
    const hasEnded = part.type === 'reasoning-end'
    if (delta === '' && !part.providerMetadata) return hasEnded ? seal(thoughts.get(part.id)) : undefined
    let thought = thoughts.get(part.id)
    // What comes behind something else is another part, as it is for who folds the events.
    if (!thought || (delta !== '' && content.at(-1) !== thought)) {
      thought = { type: 'reasoning', text: '' }
      thoughts.set(part.id, thought)
      content.push(thought)
    }
    thought.text += delta
    chars += delta.length
    if (part.providerMetadata) keep(thought, part.providerMetadata)
    if (hasEnded) return seal(thought)
    return delta === '' ? undefined : tell({ type: 'reasoning.delta', data: { text: delta } })
  }

  /** Tells what its provider needs back with a thought that is over. */
  function seal(thought: ReasoningPart | undefined): Wait {
    if (!sealsThoughts || !thought?.provider || thought.sealed) return undefined
    const { text, provider, call_id } = thought
    thought.sealed = true
    return tell({
      type: 'reasoning.sealed',
      data: { text, provider, ...(call_id !== undefined && { call_id }) },
    })
  }

  /** Not every provider says of a thought that it is over. */
  function sealAll(): Wait {
    if (!sealsThoughts) return undefined
    let wait: Wait
    for (const thought of thoughts.values()) wait = seal(thought) ?? wait
    return wait
  }

  /** What a provider needs back with a call has no place in what a client gives back of it: it goes behind all. */
  function sealCalls(): Wait {
    if (!sealsThoughts) return undefined
    let wait: Wait
    for (const part of content.filter(({ type }) => type === 'tool_call') as ToolCallPart[]) {
      if (!part.provider) continue
      const sealed: ReasoningPart = {
        type: 'reasoning',
        text: '',
        provider: part.provider,
        call_id: part.call_id,
      }
      content.push(sealed)
      wait = seal(sealed) ?? wait
    }
    return wait
  }

  function startCall(id: string, name: string): Wait {
    void sealAll()
    const call = calls.begin(id, name)
    content.push(call)
    chars += id.length + name.length
    return tell({ type: 'tool_call.started', data: toldCall(call) })
  }

  function addArguments(id: string, written: string): Wait {
    const call = calls.current(id)
    const delta = piece(`call ${id}`, written)
    if (!call || delta === '') return undefined
    call.arguments += delta
    chars += delta.length
    return tell({ type: 'tool_call.delta', data: { call_id: call.call_id, arguments: delta } })
  }

  function endCall({ providerMetadata, ...call }: ToolCall): Wait {
    const [id, name, input] = [carried(call.toolCallId), carried(call.toolName), carried(call.input)]
    // Some say no more of a call than this.
    if (!calls.current(id)) void startCall(id, name)
    const part = calls.end(id)
    if (!part) return undefined
    chars += input.length - part.arguments.length
    Object.assign(part, calls.calledAs(name), { arguments: input })
    if (providerMetadata) keep(part, providerMetadata)
    return tell({ type: 'tool_call.done', data: { ...toldCall(part), arguments: input } })
  }

  function keep(part: { provider?: SharedV4ProviderMetadata }, metadata: SharedV4ProviderMetadata) {
    part.provider = merged(part.provider, metadata)
    chars += JSON.stringify(metadata).length
  }

  return {
    hear,
    /** How much was said so far, in characters. */
    get chars() {
      return chars
    },
  }
}

function toldCall({ call_id, name, namespace }: ToolCallPart) {
  return { call_id, name, ...(namespace !== undefined && { namespace }) }
}

/** By provider: a signature comes behind what it signs. */
function merged(
  before: SharedV4ProviderMetadata = {},
  more: SharedV4ProviderMetadata,
): SharedV4ProviderMetadata {
  const merging = { ...before }
  for (const [name, object] of Object.entries(more)) merging[name] = { ...merging[name], ...object }
  return merging
}
