import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4TextPart,
  LanguageModelV4ToolResultPart,
} from '@ai-sdk/provider'
import type {
  ContentPart,
  FilePart,
  ImagePart,
  ReasoningPart,
  ToolCallPart,
  ToolResultPart,
} from '../messages/content.ts'
import type { Turn } from '../messages/history.ts'
import { inlineData } from '../messages/resource.ts'
import { pictureOptions, writtenOptions } from '../providers/call-options.ts'
import type { Provider } from '../providers/provider.ts'
import type { Called } from './tools.ts'

/** Who is told. */
type Told = Pick<Provider, 'name' | 'takesThoughts'>
type AssistantPart = Extract<LanguageModelV4Message, { role: 'assistant' }>['content'][number]

/** The kind of file that providers fetch by its address, where nothing says what it is. */
const usualFileType = 'application/pdf'

/**
 * What was said, as messages of the port. Providers want the results of calls right behind them, and refuse a
 * call without a result as a result without its call: results are put where they belong, and what has no
 * counterpart (the user went on without an answer, or a message was deleted) is left out.
 */
export function saidMessages(
  turns: Turn[],
  provider: Told,
  toldAs: (called: Called) => string,
): LanguageModelV4Message[] {
  const asking = { results: pairCalls(turns), provider, toldAs }
  return turns.flatMap(({ role, content }): LanguageModelV4Message[] => {
    if (role === 'AI') return assistantMessages(content, asking)
    if (role === 'Tool') return []
    const said = userParts(content)
    return said.length > 0 ? [{ role: 'user', content: said }] : []
  })
}

/** What calls are told with. */
interface AskedWith {
  results: Map<ToolCallPart, ToolResultPart>
  provider: Told
  /** The name that the model has for a function of the client's. */
  toldAs: (called: Called) => string
}

/** The result of each call that has one: the first behind it that has its id. */
function pairCalls(turns: Turn[]): Map<ToolCallPart, ToolResultPart> {
  const results = new Map<ToolCallPart, ToolResultPart>()
  /** Calls without a result so far. */
  const open = new Map<string, ToolCallPart>()
  for (const part of turns.flatMap(({ content }) => content)) {
    if (part.type === 'tool_call') open.set(part.call_id, part)
    else if (part.type === 'tool_result') {
      const call = open.get(part.call_id)
      if (!call) continue
      results.set(call, part)
      open.delete(part.call_id)
    }
  }
  return results
}

function assistantMessages(content: ContentPart[], asking: AskedWith): LanguageModelV4Message[] {
  const { results, toldAs } = asking
  const said = content.flatMap((part) => assistantPart(part, asking))
  // Thoughts without what came of them are nothing to go on from.
  if (said.every(({ type }) => type === 'reasoning')) return []
  const answers = content.flatMap((part) => {
    const result = part.type === 'tool_call' ? results.get(part) : undefined
    return result && part.type === 'tool_call' ? [toolResult(part, toldAs(part), result)] : []
  })
  const message: LanguageModelV4Message = { role: 'assistant', content: said }
  return answers.length > 0 ? [message, { role: 'tool', content: answers }] : [message]
}

function assistantPart(part: ContentPart, { results, provider, toldAs }: AskedWith): AssistantPart[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return [{ type: 'text', text: part.text }]
    case 'reasoning': {
      // It goes back with its call.
      if (part.call_id !== undefined) return []
      const signed = signatureFor(part, provider)
      const isTaken = provider.takesThoughts && !part.provider && part.text !== ''
      return signed || isTaken ? [{ type: 'reasoning', text: part.text, ...signed }] : []
    }
    case 'tool_call': {
      if (!results.has(part)) return []
      const written = part.arguments.trim() === '' ? '{}' : part.arguments
      const providerOptions = { ...signatureFor(part, provider)?.providerOptions, ...writtenOptions(written) }
      const call = { type: 'tool-call', toolCallId: part.call_id, toolName: toldAs(part) } as const
      return [{ ...call, input: inputOf(written), providerOptions }]
    }
    default:
      return []
  }
}

/** What the provider wants back with a part, if the part is its own. */
function signatureFor({ provider: made }: ReasoningPart | ToolCallPart, { name }: Told) {
  return made?.[name] && { providerOptions: made }
}

/** What a model wrote that is no JSON object is given back in one: vendors take nothing else. */
function inputOf(json: string): Record<string, unknown> {
  try {
    const input: unknown = JSON.parse(json)
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) return { ...input }
  } catch {
    // Falls through: it is no JSON.
  }
  return { arguments: json }
}

function toolResult(
  { call_id: toolCallId }: ToolCallPart,
  toolName: string,
  { output, is_error }: ToolResultPart,
): LanguageModelV4ToolResultPart {
  const result = { type: 'tool-result', toolCallId, toolName } as const
  if (typeof output !== 'string') {
    return { ...result, output: { type: 'content', value: userParts(output) } }
  }
  return { ...result, output: { type: is_error ? 'error-text' : 'text', value: output } }
}

/** Texts that follow each other are one: many endpoints take a user's text alone, not parts of it. */
function userParts(content: ContentPart[]): Array<LanguageModelV4TextPart | LanguageModelV4FilePart> {
  const parts: Array<LanguageModelV4TextPart | LanguageModelV4FilePart> = []
  for (const part of content) {
    const last = parts.at(-1)
    if (part.type === 'image' || part.type === 'file') parts.push(filePart(part))
    else if (part.type === 'text' && last?.type === 'text') last.text += part.text
    else if (part.type === 'text') parts.push({ type: 'text', text: part.text })
  }
  return parts
}

function filePart(part: ImagePart | FilePart): LanguageModelV4FilePart {
  const inline = inlineData(part.url)
  const data = inline
    ? ({ type: 'data', data: inline.base64 } as const)
    : ({ type: 'url', url: new URL(part.url) } as const)
  if (part.type === 'file') {
    const mediaType = part.media_type ?? inline?.mediaType ?? usualFileType
    return { type: 'file', data, mediaType, ...(part.filename !== undefined && { filename: part.filename }) }
  }
  const providerOptions = pictureOptions(part.detail)
  const mediaType = inline?.mediaType ?? 'image/*'
  return { type: 'file', data, mediaType, ...(providerOptions && { providerOptions }) }
}
