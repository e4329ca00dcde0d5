import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4ToolResultOutput,
} from '@ai-sdk/provider'

interface Call {
  id: string
  name: string
  input: string
}

type Offer = Pick<LanguageModelV4CallOptions, 'prompt' | 'tools' | 'toolChoice'>

/**
 * The call that the newest message asks for in so many words, `call <tool> {json}`, or that the choice demands;
 * undefined where it is to answer. Offline, so that a newcomer can try tools.
 */
export function callIn({ prompt, tools = [], toolChoice = { type: 'auto' } }: Offer): Call | undefined {
  const newest = prompt.at(-1)
  if (toolChoice.type === 'none' || newest?.role !== 'user') return undefined
  const text = newest.content.map((part) => (part.type === 'text' ? part.text : '')).join('')
  const wanted = [...text.matchAll(/\bcall ([\w-]+)\s*/g)].find(([, name]) =>
    tools.some((tool) => tool.name === name),
  )
  const name = nameOf(toolChoice, wanted?.[1], tools[0]?.name)
  if (name === undefined) return undefined
  const [json] = wanted ? (/^\{.*\}/s.exec(text.slice(wanted.index + wanted[0].length)) ?? []) : []
  // A prompt only grows, so that no other call of the conversation has this id.
  return { id: `call_eliza_${prompt.length}`, name, input: isJson(json) ? json : '{}' }
}

function nameOf(
  choice: NonNullable<Offer['toolChoice']>,
  wanted: string | undefined,
  first: string | undefined,
): string | undefined {
  if (choice.type === 'tool') return choice.toolName
  return choice.type === 'required' ? (wanted ?? first) : wanted
}

function isJson(text: string | undefined): text is string {
  if (text === undefined) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** As models tell a call: its beginning, its arguments, its end. */
export function* callTool({ id, name, input }: Call): Generator<LanguageModelV4StreamPart> {
  yield { type: 'tool-input-start', id, toolName: name }
  yield { type: 'tool-input-delta', id, delta: input }
  yield { type: 'tool-input-end', id }
  yield { type: 'tool-call', toolCallId: id, toolName: name, input }
}

/** What a tool gave back, where that is the newest message. */
export function resultIn(prompt: LanguageModelV4Prompt): string | undefined {
  const newest = prompt.at(-1)
  if (newest?.role !== 'tool') return undefined
  return newest.content.map((part) => (part.type === 'tool-result' ? textOf(part.output) : '')).join(' ')
}

function textOf(output: LanguageModelV4ToolResultOutput): string {
  if (output.type === 'text' || output.type === 'error-text') return output.value
  if (output.type !== 'content') return ''
  return output.value.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
