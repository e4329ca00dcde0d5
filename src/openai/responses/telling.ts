import type { CompactionPart } from '../../messages/content.ts'
import type { Telling, ToldCall } from '../../replies/retelling.ts'
import type { SealedThought } from '../../replies/said.ts'
import type { OutputItem } from '../item.ts'
import { idOfItem } from '../item-places.ts'
import { callItem, callStatus, compactionItem, newItem, outputContent } from '../items.ts'
import { sealThoughts } from '../sealed.ts'

type Kind = 'text' | 'reasoning' | 'refusal'
type MessageItem = Extract<OutputItem, { type: 'message' }>
type ReasoningItem = Extract<OutputItem, { type: 'reasoning' }>
type CallItem = Extract<OutputItem, { type: 'function_call' }>

/** An item that grows: a message, or what was thought; and the part of it that does, if it has one. */
interface Growing {
  kind: Kind
  item: MessageItem | ReasoningItem
  /** Of all items that were told, whatever became of them. */
  outputIndex: number
  partIndex: number
  text: string
  hasPart: boolean
  sealed: SealedThought[]
}

/** Tells how the items of a response come to be, piece by piece, as OpenAI's stream does. */
export function createTelling(
  messageId: string,
  emit: (type: string, fields: object) => void,
): Telling & { items: OutputItem[] } {
  let items: OutputItem[] = []
  /** How many items were told before these. */
  let before = 0
  /** The attempt that tells once more what others began to tell. */
  let attempt: number | undefined
  let growing: Growing | undefined
  const calls = new Map<string, { item: CallItem; outputIndex: number }>()

  function idOf(type: OutputItem['type']): string {
    const number = items.filter((item) => item.type === type).length
    return idOfItem({ id: messageId, toldAttempt: attempt }, type, number)
  }

  function open<Item extends OutputItem>(item: Item): { item: Item; outputIndex: number } {
    const outputIndex = before + items.length
    items.push(item)
    emit('response.output_item.added', { output_index: outputIndex, item: structuredClone(item) })
    return { item, outputIndex }
  }

  function say(kind: Kind, text: string): void {
    if (growing?.kind !== kind) growing = begin(kind)
    else if (!growing.hasPart) growing = beginPart(growing)
    const { item, outputIndex, partIndex } = growing
    growing.text += text
    const where = { item_id: item.id, output_index: outputIndex }
    if (kind === 'reasoning') {
      const summary = { summary_index: partIndex }
      emit('response.reasoning_summary_text.delta', { ...where, ...summary, delta: text })
    } else if (kind === 'refusal') {
      emit('response.refusal.delta', { ...where, content_index: partIndex, delta: text })
    } else {
      emit('response.output_text.delta', { ...where, content_index: partIndex, delta: text, logprobs: [] })
    }
  }

  /** A new part: in the message that is being said, or in a new item. */
  function begin(kind: Kind): Growing {
    const goesOn = growing && growing.kind !== 'reasoning' && kind !== 'reasoning'
    const last = growing
    closePart()
    if (last && goesOn && last.item.type === 'message') {
      return beginPart({ ...last, kind, partIndex: last.item.content.length })
    }
    if (last) closeItem(last, 'completed')
    growing = undefined
    return beginPart(beginItem(kind))
  }

  function beginItem(kind: Kind): Growing {
    const type = kind === 'reasoning' ? 'reasoning' : 'message'
    const { item, outputIndex } = open(openItem(type, idOf(type)))
    return { kind, item, outputIndex, partIndex: 0, text: '', hasPart: false, sealed: [] }
  }

  function beginPart(begun: Growing): Growing {
    const { kind, item, outputIndex, partIndex } = begun
    const where = { item_id: item.id, output_index: outputIndex }
    if (kind === 'reasoning') {
      const part = { type: 'summary_text', text: '' }
      emit('response.reasoning_summary_part.added', { ...where, summary_index: partIndex, part })
    } else {
      const part = outputContent({ type: kind, text: '' })
      emit('response.content_part.added', { ...where, content_index: partIndex, part })
    }
    return { ...begun, text: '', hasPart: true }
  }

  /** What was thought is carried by its item; without words of it, by one that has nothing else. */
  function seal(thought: string): void {
    if (growing?.item.type !== 'reasoning') {
      closeGrowing('completed')
      growing = beginItem('reasoning')
    }
    growing.sealed.push(JSON.parse(thought) as SealedThought)
    if (growing.item.type === 'reasoning') growing.item.encrypted_content = sealThoughts(growing.sealed)
  }

  function closePart(): void {
    if (!growing?.hasPart) return
    const { kind, item, outputIndex, partIndex, text } = growing
    const where = { item_id: item.id, output_index: outputIndex }
    if (item.type === 'reasoning') {
      const part = { type: 'summary_text' as const, text }
      item.summary.push(part)
      emit('response.reasoning_summary_text.done', { ...where, summary_index: partIndex, text })
      emit('response.reasoning_summary_part.done', { ...where, summary_index: partIndex, part })
      return
    }
    const part = kind === 'reasoning' ? undefined : outputContent({ type: kind, text })
    if (part) item.content.push(part)
    if (kind === 'refusal') {
      emit('response.refusal.done', { ...where, content_index: partIndex, refusal: text })
    } else {
      emit('response.output_text.done', { ...where, content_index: partIndex, text, logprobs: [] })
    }
    emit('response.content_part.done', { ...where, content_index: partIndex, part })
  }

  function closeItem(
    { item, outputIndex }: { item: OutputItem; outputIndex: number },
    status: 'completed' | 'incomplete',
  ): void {
    if (item.type === 'message' || item.type === 'function_call') item.status = status
    emit('response.output_item.done', { output_index: outputIndex, item: structuredClone(item) })
  }

  function sumUp(summary: string): void {
    closeGrowing('completed')
    const id = idOf('compaction')
    const item = open(compactionItem(id, JSON.parse(summary) as Omit<CompactionPart, 'type'>))
    closeItem(item, 'completed')
  }

  function startCall(call: Omit<ToldCall, 'arguments'>): void {
    closeGrowing('completed')
    const begun = { ...call, arguments: '' }
    calls.set(call.call_id, open(callItem(idOf('function_call'), begun, 'in_progress')))
  }

  function addArguments(callId: string, delta: string): void {
    const call = calls.get(callId)
    if (!call || delta === '') return
    call.item.arguments += delta
    const where = { item_id: call.item.id, output_index: call.outputIndex }
    emit('response.function_call_arguments.delta', { ...where, delta })
  }

  function endCall(said: ToldCall, status: 'completed' | 'incomplete'): void {
    const { call_id: callId, name, arguments: args } = said
    const call = calls.get(callId)
    if (!call) return
    const { item, outputIndex } = call
    if (args.startsWith(item.arguments)) addArguments(callId, args.slice(item.arguments.length))
    Object.assign(item, callItem(item.id, said, status))
    const where = { item_id: item.id, output_index: outputIndex }
    emit('response.function_call_arguments.done', { ...where, name, arguments: args })
    closeItem(call, status)
    calls.delete(callId)
  }

  function closeGrowing(status: 'completed' | 'incomplete'): void {
    closePart()
    if (growing) closeItem(growing, status)
    growing = undefined
  }

  /** Ends whatever is open. */
  function close(status: 'completed' | 'incomplete'): void {
    closeGrowing(status)
    for (const { item } of calls.values()) endCall(item, callStatus(item.arguments))
  }

  /** What was told is void: what is told from now on stands in its place, in items of its own. */
  function drop(by: number): void {
    close('incomplete')
    before += items.length
    items = []
    attempt = by
  }

  return {
    say,
    seal,
    sumUp,
    startCall,
    addArguments,
    endCall,
    close,
    drop,
    /** What was told, but for what is void. */
    get items() {
      return items
    },
  }
}

function openItem(type: 'message' | 'reasoning', id: string): MessageItem | ReasoningItem {
  return type === 'reasoning' ? newItem(type, id) : { ...newItem('message', id), status: 'in_progress' }
}
