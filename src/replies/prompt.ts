import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4Message,
} from '@ai-sdk/provider'
import type { Interaction, Sampling } from '../interactions/interaction.ts'
import { textOf } from '../messages/content.ts'
import type { Turn } from '../messages/history.ts'
import { vendorOptions } from '../providers/call-options.ts'
import type { Provider } from '../providers/provider.ts'
import { withSummariesSaid } from './summing-up.ts'
import type { ReplyOptions } from './options.ts'
import { saidMessages } from './prompt-messages.ts'
import type { ResponseFormat } from './response-format.ts'
import { type FunctionTool, toldAs, type ToolChoice } from './tools.ts'

/**
 * What a model of `provider` is asked: the interaction's prompt, what was said, what it may call, and how to
 * answer. All system messages go to the front as one, because many models and chat templates take no more, and
 * nowhere else.
 */
export function modelCall(
  interaction: Pick<Interaction, 'prompt' | 'sampling'>,
  history: Turn[],
  options: ReplyOptions,
  provider: Pick<Provider, 'name' | 'takesThoughts'>,
): LanguageModelV4CallOptions {
  const turns = withSummariesSaid(history)
  const system = [interaction.prompt ?? '', ...turns.filter(isSystem).map(({ content }) => textOf(content))]
    .filter((text) => text !== '')
    .join('\n\n')
  const said: LanguageModelV4Message[] = saidMessages(
    turns.filter((turn) => !isSystem(turn)),
    provider,
    (called) => toldAs(options.tools, called),
  )
  return {
    prompt: system === '' ? said : [{ role: 'system', content: system }, ...said],
    ...samplingOptions(interaction.sampling),
    ...askedOptions(options),
  }
}

function isSystem({ role }: Turn): boolean {
  return role === 'System'
}

function samplingOptions(sampling: Sampling): Omit<LanguageModelV4CallOptions, 'prompt'> {
  const options = {
    temperature: sampling.temperature,
    topP: sampling.top_p,
    maxOutputTokens: sampling.max_output_tokens,
    stopSequences: sampling.stop,
    seed: sampling.seed,
    presencePenalty: sampling.presence_penalty,
    frequencyPenalty: sampling.frequency_penalty,
  }
  return withoutUndefined(options)
}

function askedOptions(options: ReplyOptions): Omit<LanguageModelV4CallOptions, 'prompt'> {
  const { tools = [], toolChoice, parallelToolCalls, responseFormat, reasoning } = options
  const hasTools = tools.length > 0
  return withoutUndefined({
    tools: hasTools ? tools.map((tool) => toTool(tool)) : undefined,
    toolChoice: hasTools && toolChoice !== undefined ? toChoice(toolChoice) : undefined,
    responseFormat: responseFormat && toFormat(responseFormat),
    reasoning: reasoning?.effort,
    providerOptions: vendorOptions({
      parallelToolCalls: hasTools ? parallelToolCalls : undefined,
      reasoningSummary: reasoning?.summary,
      strictSchema: responseFormat?.type === 'json_schema' ? (responseFormat.strict ?? false) : undefined,
    }),
  })
}

function toTool({ name, description, parameters, strict }: FunctionTool): LanguageModelV4FunctionTool {
  // Providers want a schema even of a function that takes nothing.
  const inputSchema = parameters ?? { type: 'object', properties: {} }
  return withoutUndefined({ type: 'function', name, description, inputSchema, strict })
}

function toChoice(choice: ToolChoice): NonNullable<LanguageModelV4CallOptions['toolChoice']> {
  return typeof choice === 'string' ? { type: choice } : { type: 'tool', toolName: choice.name }
}

function toFormat(format: ResponseFormat): LanguageModelV4CallOptions['responseFormat'] {
  if (format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json' }
  const { name, description, schema } = format
  return withoutUndefined({ type: 'json', name, description, schema })
}

type Defined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> }

function withoutUndefined<T extends object>(options: T): Defined<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<T>
}
