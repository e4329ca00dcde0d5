import { ParleyError } from '../../errors.ts'
import type { Metadata, Role } from '../../interactions/interaction.ts'
import type { ContentPart, FilePart, ImagePart, TextPart } from '../../messages/content.ts'
import type { NewMessage } from '../../replies/post.ts'
import type { Item } from '../item.ts'
import { itemPlaces, nextNumber } from '../item-places.ts'
import { openSummary } from './compaction/summary.ts'
import type { AssistantPart, GivenPart, InputItem, InputMessage, ResponseInput } from './input.ts'

/** What the item of that id says; rejects where there is none. */
export type FindItem = (
  id: string,
  field: string,
) => Promise<{ type: Item['type']; role: Role; content: ContentPart[]; phase: string | undefined }>

/** The messages that an input stands for. What a model said or did in one breath is one message. */
export async function saidIn(input: ResponseInput, findItem: FindItem): Promise<NewMessage[]> {
  if (typeof input === 'string') return [{ role: 'Human', content: input }]
  const said = createGathering(findItem)
  for (const [index, item] of input.entries()) await said.add(item, `input.${index}`)
  if (said.messages.length === 0) throw saysNothing('input')
  return said.messages
}

/** The same for items that are kept as they are: each has to say something, or it would not be there. */
export async function saidInEach(items: InputItem[], findItem: FindItem): Promise<NewMessage[]> {
  const said = createGathering(findItem)
  for (const [index, item] of items.entries()) {
    if (!(await said.add(item, `items.${index}`))) throw saysNothing(`items.${index}.content`)
  }
  return said.messages
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
        const { call_id, name, arguments: args } = item
        return put('AI', [{ type: 'tool_call', call_id, name, arguments: args }])
      }
      case 'function_call_output': {
        const { call_id, output } = item
        const given = typeof output === 'string' ? output : output.map(partOf)
        return put('Tool', [{ type: 'tool_result', call_id, output: given }])
      }
      case 'reasoning': {
        const thoughts = (item.content?.length ?? 0) > 0 ? (item.content ?? []) : item.summary
        const parts = thoughts.filter(isSaid).map(({ text }) => ({ type: 'reasoning' as const, text }))
        return put('AI', parts) || Boolean(item.encrypted_content)
      }
      case 'compaction':
        return put('System', [{ type: 'text', text: openSummary(item.encrypted_content, field) }])
      case 'item_reference': {
        const { type, role, content, phase } = await findItem(item.id, `${field}.id`)
        return put(role, content, phase ? { phase } : {}, { begins: type === 'message' })
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
    return put(role === 'user' ? 'Human' : 'System', kept)
  }

  function put(role: Role, parts: ContentPart[], metadata: Metadata = {}, { begins = false } = {}): boolean {
    if (parts.length === 0) return false
    const last = messages.at(-1)
    if (last && last.role === role && goesOn(last, metadata, begins))
      last.content.push(...behind(last, parts))
    else messages.push({ role, content: [...parts], metadata })
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

/** A part as it was given. */
export function partOf(part: GivenPart): TextPart | ImagePart | FilePart {
  switch (part.type) {
    case 'input_text':
      return { type: 'text', text: part.text }
    case 'input_image':
      return { type: 'image', url: part.image_url, ...(part.detail && { detail: part.detail }) }
    case 'input_file': {
      const { filename, file_data, file_url } = part
      return { type: 'file', url: file_data ?? file_url ?? '', ...(filename && { filename }) }
    }
  }
}
