import { ParleyError } from '../../errors.ts'
import type { Metadata, Role } from '../../interactions/interaction.ts'
import type {
  ContentPart,
  FilePart,
  ImagePart,
  ReasoningPart,
  TextPart,
  ToolResultPart,
} from '../../messages/content.ts'
import type { NewMessage } from '../../replies/post.ts'
import type { Item } from '../item.ts'
import { itemPlaces, nextNumber } from '../item-places.ts'
import { openSummary, openThoughts } from '../sealed.ts'
import type { AssistantPart, GivenPart, InputItem, InputMessage, ResponseInput } from './input.ts'

/** What the item of that id says; rejects where there is none. */
export type FindItem = (
  id: string,
  field: string,
) => Promise<{ type: Item['type']; role: Role; content: ContentPart[]; metadata: Metadata }>

/** The messages that an input stands for. What a model said or did in one breath is one message. */
export async function saidIn(input: ResponseInput, findItem: FindItem): Promise<NewMessage[]> {
  if (input.length === 0) return []
  if (typeof input === 'string') return [{ role: 'Human', content: input }]
  const said = createGathering(findItem)
  for (const [index, item] of input.entries()) await said.add(item, `input.${index}`)
  if (said.messages.length === 0) throw saysNothing('input')
  return signed(said.messages)
}

/** The same for items that are kept as they are: each has to say something, or it would not be there. */
export async function saidInEach(items: InputItem[], findItem: FindItem): Promise<NewMessage[]> {
  const said = createGathering(findItem)
  for (const [index, item] of items.entries()) {
    if (!(await said.add(item, `items.${index}`))) throw saysNothing(`items.${index}.content`)
  }
  return signed(said.messages)
}

function saysNothing(field: string): ParleyError {
  const message = 'says nothing'
  return new ParleyError('invalid_request', `${field}: ${message}`, {
    fields: [{ in: 'body', field, message }],
  })
}

/** Messages in the making. */
function createGathering(findItem: FindItem) {
  const messages: GatheredMessage[] = []

  /** False where the item says nothing. */
  async function add(item: InputItem, field: string): Promise<boolean> {
    switch (item.type) {
      case 'function_call': {
        const { call_id, name, namespace, arguments: args } = item
        const called = { name, ...(namespace && { namespace }) }
        return put('AI', [{ type: 'tool_call', call_id, ...called, arguments: args }])
      }
      case 'function_call_output': {
        const { call_id, output } = item
        return put('Tool', [{ type: 'tool_result', call_id, output: outputOf(output) }])
      }
      case 'reasoning':
        return put('AI', thoughtsIn(item, field)) || Boolean(item.encrypted_content)
      case 'compaction':
        return begin('AI', [{ type: 'compaction', ...openSummary(item.encrypted_content, field) }])
      case 'item_reference': {
        const { type, role, content, metadata } = await findItem(item.id, `${field}.id`)
        if (type === 'compaction') return begin(role, content)
        return put(role, content, metadata, { begins: type === 'message' })
      }
      default:
        return addMessage(item)
    }
  }

  function addMessage(message: InputMessage): boolean {
    const { role, content } = message
    if (role === 'assistant') {
      const { phase } = message
      return put('AI', saidParts(content), phase ? { phase } : {}, { begins: true })
    }
    const parts =
      typeof content === 'string' ? [{ type: 'text', text: content } as const] : content.map(partOf)
    const kept = parts.filter((part) => part.type !== 'text' || isSaid(part))
    // Both are the system's to the model; who asks what was said is told it as it was said.
    return put(role === 'user' ? 'Human' : 'System', kept, role === 'developer' ? { role } : {})
  }

  function put(role: Role, parts: ContentPart[], metadata: Metadata = {}, { begins = false } = {}): boolean {
    if (parts.length === 0) return false
    const last = messages.at(-1)
    if (last && last.role === role && goesOn(last, metadata, begins))
      last.content.push(...behind(last, parts))
    else begin(role, parts, metadata)
    return true
  }

  function begin(role: Role, parts: ContentPart[], metadata: Metadata = {}): boolean {
    messages.push({ role, content: [...parts], metadata })
    return true
  }

  return { messages, add }
}

type GatheredMessage = Omit<NewMessage, 'content'> & { content: ContentPart[] }

function goesOn(last: GatheredMessage, metadata: Metadata, begins: boolean): boolean {
  if (last.role === 'Tool') return true
  if (last.role !== 'AI') return false
  const hasSpoken = last.content.some(({ type }) => type === 'text' || type === 'refusal')
  return !(begins && hasSpoken) && (last.metadata?.['phase'] ?? '') === (metadata['phase'] ?? '')
}

/** What was thought: as its provider made it, where the client carries that, else what was told of it. */
function thoughtsIn(item: Extract<InputItem, { type: 'reasoning' }>, place: string): ReasoningPart[] {
  const { summary, content, encrypted_content: sealed } = item
  const carried = sealed ? openThoughts(sealed, place) : []
  if (carried.length > 0) return carried.map((thought) => ({ type: 'reasoning', ...thought, sealed: true }))
  const told = content && content.length > 0 ? content : (summary ?? [])
  return told.filter(isSaid).map(({ text }) => ({ type: 'reasoning', text }))
}

/** With what their provider needs back with calls, where the thoughts beside them carry it. */
function signed(messages: GatheredMessage[]): GatheredMessage[] {
  for (const { content } of messages) {
    for (const part of content) {
      if (part.type !== 'reasoning' || part.call_id === undefined || !part.provider) continue
      const call = content.find((other) => other.type === 'tool_call' && other.call_id === part.call_id)
      if (call?.type === 'tool_call') call.provider = part.provider
    }
  }
  return messages
}

/** `parts` of one item as they stand behind others: thoughts behind thoughts would be taken for the same. */
function behind({ role, content }: GatheredMessage, parts: ContentPart[]): ContentPart[] {
  const isMore = content.at(-1)?.type === 'reasoning' && parts[0]?.type === 'reasoning'
  if (!isMore) return parts
  const number = nextNumber(itemPlaces({ id: '', role, content }), 'reasoning')
  return parts.map((part) => ({ ...part, number }))
}

function isSaid({ text }: { text: string }): boolean {
  return text !== ''
}

/** What a model is said to have said, without what is empty. */
function saidParts(content: string | AssistantPart[]): ContentPart[] {
  const parts =
    typeof content === 'string' ? [{ type: 'text', text: content } as const] : content.map(saidPart)
  return parts.filter(isSaid)
}

/** A part of what a model is said to have said. */
export function saidPart(part: AssistantPart): { type: 'text' | 'refusal'; text: string } {
  return part.type === 'refusal' ? { type: 'refusal', text: part.refusal } : { type: 'text', text: part.text }
}

/** What came of a call; of one that gave nothing back, an empty text. */
function outputOf(output: string | GivenPart[]): ToolResultPart['output'] {
  if (typeof output === 'string') return output
  return output.length === 0 ? '' : output.map(partOf)
}

/** A part as it was given. */
export function partOf(part: GivenPart): TextPart | ImagePart | FilePart {
  switch (part.type) {
    case 'input_text':
      return { type: 'text', text: part.text }
    case 'input_image': {
      // Nobody but OpenAI looks closer than at high detail.
      const detail = part.detail === 'original' ? 'high' : part.detail
      return { type: 'image', url: part.image_url, ...(detail && { detail }) }
    }
    case 'input_file': {
      const { filename, file_data, file_url } = part
      return { type: 'file', url: file_data ?? file_url ?? '', ...(filename && { filename }) }
    }
  }
}
