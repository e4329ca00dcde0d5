import type {
  CompactionPart,
  ContentPart,
  FilePart,
  ImagePart,
  TextPart,
  ToolCallPart,
} from '../messages/content.ts'
import type { Metadata } from '../interactions/interaction.ts'
import type { Message } from '../messages/message.ts'
import { inlineData } from '../messages/resource.ts'
import type { SealedThought } from '../replies/said.ts'
import type { InputPart, Item, ItemStatus, OutputContent, OutputItem } from './item.ts'
import { idOfItem, type ItemPlace, itemPlaces, partsAt, shownAt, storedAt } from './item-places.ts'
import { sealSummary, sealThoughts } from './sealed.ts'

/** What of a message is shown beside what was said. */
interface Shows {
  /** What providers need back with thoughts. */
  sealed?: boolean | undefined
}

/** A message as items: one for each of its thoughts, texts and calls, in their order. */
export function itemsOf(message: Message): Item[] {
  return itemsShowing({}, message)
}

export function itemsShowing(shows: Shows, message: Message): Item[] {
  const { id, role, content, metadata } = message
  switch (role) {
    case 'AI':
      return outputItems(message, shows)
    case 'Tool':
      return itemPlaces(message).flatMap((place) => resultItems(place.id, partsAt(content, place)))
    default:
      return [
        {
          id: idOfItem({ id }, 'message', 0),
          type: 'message',
          status: 'completed',
          role: role === 'System' ? systemRole(metadata) : 'user',
          content: content.filter(isInput).map(inputPart),
        },
      ]
  }
}

/** To the model both are the same. */
function systemRole(metadata: Message['metadata']): 'system' | 'developer' {
  return metadata['role'] === 'developer' ? 'developer' : 'system'
}

function resultItems(id: string, parts: ContentPart[]): Item[] {
  return parts
    .filter((part) => part.type === 'tool_result')
    .map((part) => ({
      id,
      type: 'function_call_output',
      status: 'completed',
      call_id: part.call_id,
      output: typeof part.output === 'string' ? part.output : part.output.map(inputPart),
    }))
}

/** What a model said, or a client in its name, as items. */
export function outputItems(message: Message, shows: Shows = {}): OutputItem[] {
  const { making } = message
  const items = itemPlaces(message).flatMap((place) => outputItem(message, place, shows))
  const phase = phaseOf(message)
  if (phase) for (const item of items) if (item.type === 'message') item.phase = phase
  if (making && making.status !== 'completed') markCutOff(items)
  return items
}

/** What the item of a message is told with, beside what it says. */
export function broughtWith(message: Message): Metadata {
  const phase = phaseOf(message)
  const isDeveloper = message.role === 'System' && systemRole(message.metadata) === 'developer'
  return { ...(phase && { phase }), ...(isDeveloper && { role: 'developer' }) }
}

/** What a client called the text of a model's message that it brought. */
function phaseOf({ metadata, making }: Message): 'commentary' | 'final_answer' | undefined {
  const { phase } = metadata
  return !making && (phase === 'commentary' || phase === 'final_answer') ? phase : undefined
}

/** What was cut off ends with what was being said. */
function markCutOff(items: OutputItem[]): void {
  const last = items.at(-1)
  if (last?.type === 'message') last.status = 'incomplete'
  for (const item of items) if (item.type === 'function_call') item.status = callStatus(item.arguments)
}

/** Of a call that nobody said the end of. */
export function callStatus(args: string): 'completed' | 'incomplete' {
  try {
    JSON.parse(args)
    return 'completed'
  } catch {
    return 'incomplete'
  }
}

/** The item at a place; none where a model cannot have said it. */
function outputItem(message: Message, place: ItemPlace, shows: Shows): OutputItem[] {
  const { id, type } = place
  const parts = shownAt(message, place)
  switch (type) {
    case 'message':
      return [{ ...newItem('message', id), content: parts.flatMap((part) => outputContent(part) ?? []) }]
    case 'reasoning': {
      const thoughts = shows.sealed ? storedAt(message, place).flatMap(sealedThought) : []
      const sealed = thoughts.length > 0 && { encrypted_content: sealThoughts(thoughts) }
      return [{ ...newItem('reasoning', id), summary: parts.flatMap(summaryPart), ...sealed }]
    }
    case 'function_call':
      return parts.flatMap((part) => (part.type === 'tool_call' ? [callItem(id, part, 'completed')] : []))
    case 'compaction':
      return parts.flatMap((part) => (part.type === 'compaction' ? [compactionItem(id, part)] : []))
    case 'function_call_output':
      return []
  }
}

function sealedThought(part: ContentPart): SealedThought[] {
  if (part.type !== 'reasoning' || !part.provider) return []
  const { text, provider, call_id } = part
  return [{ text, provider, ...(call_id !== undefined && { call_id }) }]
}

function summaryPart(part: ContentPart): Array<{ type: 'summary_text'; text: string }> {
  return part.type === 'reasoning' ? [{ type: 'summary_text', text: part.text }] : []
}

/** An item that has nothing in it yet. */
export function newItem<Type extends 'message' | 'reasoning'>(type: Type, id: string) {
  const empty = {
    message: { id, type: 'message', status: 'completed', role: 'assistant', content: [] },
    reasoning: { id, type: 'reasoning', summary: [] },
  } satisfies { [Kind in 'message' | 'reasoning']: Extract<OutputItem, { type: Kind }> }
  return empty[type]
}

export function callItem(
  id: string,
  { call_id, name, namespace, arguments: args }: Omit<ToolCallPart, 'type'>,
  status: ItemStatus,
): Extract<OutputItem, { type: 'function_call' }> {
  const called = { name, ...(namespace !== undefined && { namespace }) }
  return { id, type: 'function_call', status, call_id, ...called, arguments: args }
}

export function compactionItem(
  id: string,
  { summary, instructions, question }: Omit<CompactionPart, 'type'>,
): Extract<OutputItem, { type: 'compaction' }> {
  return { id, type: 'compaction', encrypted_content: sealSummary({ summary, instructions, question }) }
}

/** A part of what a model said; undefined for one that is an item of its own. */
export function outputContent(part: ContentPart): OutputContent | undefined {
  if (part.type === 'text') return { type: 'output_text', text: part.text, annotations: [], logprobs: [] }
  if (part.type === 'refusal') return { type: 'refusal', refusal: part.text }
  return undefined
}

type Input = TextPart | ImagePart | FilePart

function isInput(part: ContentPart): part is Input {
  return part.type === 'text' || part.type === 'image' || part.type === 'file'
}

function inputPart(part: Input): InputPart {
  switch (part.type) {
    case 'text':
      return { type: 'input_text', text: part.text }
    case 'image':
      return { type: 'input_image', image_url: part.url, detail: part.detail ?? 'auto' }
    case 'file': {
      const { filename, url } = part
      const where = inlineData(url) ? { file_data: url } : { file_url: url }
      return { type: 'input_file', ...(filename !== undefined && { filename }), ...where }
    }
  }
}
