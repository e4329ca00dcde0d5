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
import { openSummary, openThoughts } from '../sealed.ts'
import type { GivenPart, InputItem, InputMessage, ResponseInput } from './input.ts'

/** The parts of the item of that id, as a model said them; rejects where there is none. */
export type FindItem = (id: string, field: string) => Promise<ContentPart[]>

/** The messages that an input stands for. What a model said or did in one breath is one message. */
export async function saidIn(
  input: ResponseInput,
  findItem: FindItem,
  field = 'input',
): Promise<NewMessage[]> {
  if (input.length === 0) return []
  if (typeof input === 'string') return [{ role: 'Human', content: input }]
  const said = gathering()
  for (const [index, item] of input.entries()) await add(item, `${field}.${index}`)
  for (const { content } of said.messages) signCalls(content)
  if (said.messages.length === 0) {
    const message = 'says nothing'
    throw new ParleyError('invalid_request', `${field}: ${message}`, {
      fields: [{ in: 'body', field, message }],
    })
  }
  return said.messages

  async function add(item: InputItem, place: string): Promise<void> {
    switch (item.type) {
      case 'function_call': {
        const { call_id, name, namespace, arguments: args } = item
        const called = { name, ...(namespace && { namespace }) }
        said.add('AI', [{ type: 'tool_call', call_id, ...called, arguments: args }])
        break
      }
      case 'function_call_output': {
        const { call_id, output } = item
        said.add('Tool', [{ type: 'tool_result', call_id, output: outputOf(output) }])
        break
      }
      case 'reasoning':
        said.add('AI', thoughtsIn(item, place))
        break
      case 'compaction':
        said.begin('AI', [{ type: 'compaction', ...openSummary(item.encrypted_content, place) }])
        break
      case 'item_reference':
        said.add('AI', await findItem(item.id, `${place}.id`))
        break
      default:
        addMessage(item)
    }
  }

  function addMessage(message: InputMessage): void {
    const { role, content } = message
    if (role === 'assistant') {
      const parts =
        typeof content === 'string' ? [{ type: 'text', text: content } as const] : content.map(saidPart)
      const { phase } = message
      said.add('AI', parts.filter(isSaid), phase ? { phase } : {}, { begins: true })
      return
    }
    const parts =
      typeof content === 'string' ? [{ type: 'text', text: content } as const] : content.map(partOf)
    const kept = parts.filter((part) => part.type !== 'text' || isSaid(part))
    // Both are the system's to the model; who asks what was said is told it as it was said.
    said.add(role === 'user' ? 'Human' : 'System', kept, role === 'developer' ? { role } : {})
  }
}

/** What was thought: as its provider made it, where the client carries that, else what was told of it. */
function thoughtsIn(item: Extract<InputItem, { type: 'reasoning' }>, place: string): ReasoningPart[] {
  const { summary, content, encrypted_content: sealed } = item
  const carried = sealed ? openThoughts(sealed, place) : []
  if (carried.length > 0) return carried.map((thought) => ({ type: 'reasoning', ...thought, sealed: true }))
  const told = content && content.length > 0 ? content : (summary ?? [])
  return told.filter(isSaid).map(({ text }) => ({ type: 'reasoning', text }))
}

/** Gives calls what their provider needs back with them. */
function signCalls(content: ContentPart[]): void {
  for (const part of content) {
    if (part.type !== 'reasoning' || part.call_id === undefined || !part.provider) continue
    const call = content.find((other) => other.type === 'tool_call' && other.call_id === part.call_id)
    if (call?.type === 'tool_call') call.provider = part.provider
  }
}

function isSaid({ text }: { text: string }): boolean {
  return text !== ''
}

type AssistantPart = Exclude<Extract<InputMessage, { role: 'assistant' }>['content'], string>[number]

function saidPart(part: AssistantPart): { type: 'text' | 'refusal'; text: string } {
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

/** Messages in the making. */
function gathering() {
  const messages: Array<NewMessage & { content: ContentPart[] }> = []

  function add(role: Role, parts: ContentPart[], metadata: Metadata = {}, { begins = false } = {}): void {
    if (parts.length === 0) return
    const last = messages.at(-1)
    if (last && last.role === role && goesOn(last, metadata, begins)) last.content.push(...parts)
    else begin(role, parts, metadata)
  }

  function begin(role: Role, parts: ContentPart[], metadata: Metadata = {}): void {
    messages.push({ role, content: [...parts], metadata })
  }

  function goesOn(
    last: { role: Role; content: ContentPart[]; metadata?: Metadata | undefined },
    metadata: Metadata,
    begins: boolean,
  ) {
    if (last.role === 'Tool') return true
    if (last.role !== 'AI') return false
    const hasSpoken = last.content.some(({ type }) => type === 'text' || type === 'refusal')
    return !(begins && hasSpoken) && (last.metadata?.['phase'] ?? '') === (metadata['phase'] ?? '')
  }

  return { messages, add, begin }
}
