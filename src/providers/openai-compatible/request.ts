import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
  LanguageModelV4ToolResultPart,
} from '@ai-sdk/provider'
import { writtenArguments } from '../call-options.ts'
import { isContinuation } from '../continuation.ts'
import type { TokenLimit } from './token-limit.ts'

/**
 * How an endpoint is told to go on with a last message of the assistant's: `prefill` does so by itself, `vllm` is
 * asked to (docs.vllm.ai, OpenAI-compatible server, extra parameters).
 */
export type Continues = 'prefill' | 'vllm'

/** What endpoints do each in their way. */
export interface Dialect {
  continues?: Continues | undefined
  tokenLimit?: TokenLimit | undefined
  /** Whether they are told again what was thought. */
  tellsThoughts?: boolean
}

/** The body of `POST /chat/completions` (platform.openai.com/docs/api-reference/chat/create). */
export function chatCompletionBody(
  model: string,
  options: LanguageModelV4CallOptions,
  { continues, tokenLimit = 'max_tokens', tellsThoughts = false }: Dialect = {},
) {
  const { tools, toolChoice, responseFormat, reasoning } = options
  const { parallelToolCalls, strictJsonSchema } = options.providerOptions?.['openai'] ?? {}
  const functions = tools?.filter((tool) => tool.type === 'function') ?? []
  const missed = functions.length > 0 ? 'all' : 'calls'
  const thinking = tellsThoughts ? missed : 'none'
  return withoutUndefined({
    model,
    messages: chatMessages(options.prompt, thinking),
    stream: true,
    ...(continues === 'vllm' &&
      isContinuation(options) && { continue_final_message: true, add_generation_prompt: false }),
    stream_options: { include_usage: true },
    [tokenLimit]: options.maxOutputTokens,
    temperature: options.temperature,
    top_p: options.topP,
    stop: options.stopSequences,
    seed: options.seed,
    presence_penalty: options.presencePenalty,
    frequency_penalty: options.frequencyPenalty,
    reasoning_effort: reasoning === 'provider-default' ? undefined : reasoning,
    response_format: responseFormat && chatResponseFormat(responseFormat, strictJsonSchema),
    tools:
      tools &&
      functions.map(({ name, description, inputSchema, strict }) => ({
        type: 'function',
        function: withoutUndefined({ name, description, parameters: inputSchema, strict }),
      })),
    tool_choice:
      toolChoice &&
      (toolChoice.type === 'tool'
        ? { type: 'function', function: { name: toolChoice.toolName } }
        : toolChoice.type),
    parallel_tool_calls: parallelToolCalls,
  })
}

function chatResponseFormat(
  format: NonNullable<LanguageModelV4CallOptions['responseFormat']>,
  strict: unknown = true,
) {
  if (format.type === 'text') return undefined
  if (!format.schema) return { type: 'json_object' }
  const { name = 'answer', description, schema } = format
  return { type: 'json_schema', json_schema: withoutUndefined({ name, description, schema, strict }) }
}

type AssistantContent = Extract<LanguageModelV4Message, { role: 'assistant' }>['content']
/** Which messages say what was thought for them: those with calls, and where there are tools, all. */
type Thinking = 'none' | 'calls' | 'all'

function chatMessages(prompt: LanguageModelV4Prompt, thinking: Thinking): unknown[] {
  return prompt.flatMap((message) => chatMessage(message, thinking))
}

function chatMessage(message: LanguageModelV4Message, thinking: Thinking): unknown[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }]
    case 'user': {
      const [first] = message.content
      const isPlain = message.content.length === 1 && first?.type === 'text'
      return [{ role: 'user', content: isPlain ? first.text : message.content.map((part) => userPart(part)) }]
    }
    case 'assistant':
      return [assistantMessage(message.content, thinking)]
    case 'tool': {
      const results = message.content.filter((part) => part.type === 'tool-result')
      const said = results.map(({ toolCallId, output }) => ({
        role: 'tool',
        tool_call_id: toolCallId,
        content: resultText(output),
      }))
      return [...said, ...results.flatMap((result) => resultFiles(result))]
    }
  }
}

function assistantMessage(content: AssistantContent, thinking: Thinking) {
  const said = (type: 'text' | 'reasoning') =>
    content.map((part) => (part.type === type ? part.text : '')).join('')
  const calls = content.filter((part) => part.type === 'tool-call')
  const isThought = thinking === 'all' || (thinking === 'calls' && calls.length > 0)
  return withoutUndefined({
    role: 'assistant',
    content: said('text') || (calls.length > 0 ? null : ''),
    // Who wants it misses it also where nothing was thought.
    reasoning_content: isThought ? said('reasoning') : undefined,
    tool_calls:
      calls.length === 0
        ? undefined
        : calls.map((call) => ({
            id: call.toolCallId,
            type: 'function',
            function: { name: call.toolName, arguments: writtenArguments(call) },
          })),
  })
}

/** A tool says nothing but text here: what it brought beside that is shown by the user, behind all results. */
function resultFiles({ toolCallId, output }: LanguageModelV4ToolResultPart): unknown[] {
  const files = output.type === 'content' ? output.value.filter((part) => part.type === 'file') : []
  if (files.length === 0) return []
  const label = { type: 'text', text: `What the tool call ${toolCallId} brought:` }
  return [{ role: 'user', content: [label, ...files.map((file) => userPart(file))] }]
}

function userPart(part: { type: 'text'; text: string } | LanguageModelV4FilePart) {
  if (part.type === 'text') return { type: 'text', text: part.text }
  const { data, mediaType, filename, providerOptions } = part
  if (data.type === 'text') return { type: 'text', text: data.text }
  if (data.type === 'reference') throw new TypeError('a file reference of another provider cannot be sent')
  const url = data.type === 'url' ? String(data.url) : dataUrl(mediaType, data.data)
  if (mediaType === 'image' || mediaType.startsWith('image/')) {
    const detail = providerOptions?.['openai']?.['imageDetail']
    return { type: 'image_url', image_url: withoutUndefined({ url, detail }) }
  }
  return { type: 'file', file: withoutUndefined({ filename, file_data: url }) }
}

function dataUrl(mediaType: string, data: Uint8Array | string): string {
  const base64 = typeof data === 'string' ? data : Buffer.from(data).toString('base64')
  return `data:${mediaType};base64,${base64}`
}

function resultText(output: LanguageModelV4ToolResultOutput): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value
    case 'execution-denied':
      return output.reason ?? 'The tool call was refused.'
    case 'json':
    case 'error-json':
      return JSON.stringify(output.value)
    case 'content':
      return output.value.map((part) => (part.type === 'text' ? part.text : '')).join('')
  }
}

function withoutUndefined(object: Record<string, unknown>) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
