import {
  type CompactionPart,
  type ContentPart,
  type FilePart,
  type ImagePart,
  type TextPart,
  type ToolCallPart,
} from '../messages/content.ts'
import type { Message } from '../messages/message.ts'
import { inlineData } from '../messages/resource.ts'
import { type IdKind, openAiId } from './ids.ts'
import type { InputPart, Item, ItemStatus, OutputContent, OutputItem } from './item.ts'
import { sealSummary, sealThoughts } from './sealed.ts'
import { sealedIn, toldContent, type ToldPart } from './told-content.ts'

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
      return content
        .filter((part) => part.type === 'tool_result')
        .map((part, index) => ({
          id: openAiId('fco_', id, index),
          type: 'function_call_output',
          status: 'completed',
          call_id: part.call_id,
          output: typeof part.output === 'string' ? part.output : part.output.map(inputPart),
        }))
    default:
      return [
        {
          id: openAiId('msg_', id),
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

/** What a model said, or a client in its name, as items. */
export function outputItems(
  { id, content, metadata, making }: Message,
  { sealed = false }: Shows = {},
): OutputItem[] {
  const items = assemble({ id, toldAttempt: making?.toldAttempt }, toldContent(content), sealed)
  const { phase } = metadata
  if (!making && (phase === 'commentary' || phase === 'final_answer')) {
    for (const item of items) if (item.type === 'message') item.phase = phase
  }
  if (making && making.status !== 'completed') markCutOff(items)
  return items
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

/** The parts of a message, and the name of each item that they make, by its kind and number. */
function assemble(whose: Whose, content: ToldPart[], isSealed: boolean): OutputItem[] {
  const items: OutputItem[] = []
  for (const part of content) {
    const last = items.at(-1)
    const said = outputContent(part)
    if (said && last?.type === 'message') last.content.push(said)
    else if (said) items.push({ ...newItem('message', itemId(whose, 'message', items)), content: [said] })
    else if (part.type === 'reasoning') {
      const { text, parts } = part
      const item = newItem('reasoning', itemId(whose, 'reasoning', items))
      const sealed = isSealed ? sealedIn(parts) : []
      items.push({
        ...item,
        summary: text === '' ? [] : [{ type: 'summary_text', text }],
        ...(sealed.length > 0 && { encrypted_content: sealThoughts(sealed) }),
      })
    } else if (part.type === 'tool_call') {
      items.push(callItem(itemId(whose, 'function_call', items), part, 'completed'))
    } else if (part.type === 'compaction') {
      items.push(compactionItem(itemId(whose, 'compaction', items), part))
    }
  }
  return items
}

const idKinds = {
  message: 'msg_',
  reasoning: 'rs_',
  function_call: 'fc_',
  compaction: 'cmp_',
} as const satisfies Record<OutputItem['type'], IdKind>

/** Whose items those are, and the attempt that told them in place of others. */
interface Whose {
  id: string
  toldAttempt?: number | null | undefined
}

/** The id of the next item of a message: the first of each kind has only the message's digits. */
export function itemId(
  { id, toldAttempt }: Whose,
  type: OutputItem['type'],
  before: Array<{ type: string }>,
) {
  return openAiId(idKinds[type], id, before.filter((item) => item.type === type).length, toldAttempt)
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
