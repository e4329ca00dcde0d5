import type { Sampling } from '../../interactions/interaction.ts'
import type { ReplyOptions } from '../../replies/options.ts'
import type { FunctionTool, ToolChoice } from '../../replies/tools.ts'
import type { CreateRequest } from './request.ts'
import type { ResponseObject } from './response.ts'

/** What a response tells of how it was asked for, where that is not the usual and stands nowhere else. */
export interface Told extends Partial<
  Pick<
    ResponseObject,
    | 'background'
    | 'conversation'
    | 'max_tool_calls'
    | 'metadata'
    | 'previous_response_id'
    | 'prompt_cache_key'
    | 'prompt_cache_retention'
    | 'safety_identifier'
    | 'service_tier'
    | 'store'
    | 'tool_choice'
    | 'tools'
    | 'user'
  >
> {
  verbosity?: 'low' | 'medium' | 'high'
}

/** What this door keeps with a reply. */
export interface Kept {
  /** How many messages before it are its input. */
  said: number
  told: Told
}

export function keptOf({ door }: ReplyOptions): Kept | undefined {
  return door as Kept | undefined
}

/** What a reply is asked for by a request. */
export function optionsOf(asked: Omit<CreateRequest, 'input'>, kept: Kept): ReplyOptions {
  const { instructions, tool_choice: choice, text, reasoning, parallel_tool_calls: parallel } = asked
  const { format } = text ?? {}
  return {
    ...(typeof instructions === 'string' && { prompt: instructions }),
    sampling: samplingOf(asked),
    tools: allowedTools(asked)?.map(toTool),
    toolChoice: toChoice(choice),
    parallelToolCalls: parallel ?? undefined,
    responseFormat: formatOf(format),
    truncation: asked.truncation ?? 'disabled',
    reasoning: reasoning ? reasoningOf(reasoning) : undefined,
    door: { ...kept },
  }
}

/** `generate_summary` is what `summary` was called before. */
function reasoningOf({ effort, summary, generate_summary: before }: NonNullable<CreateRequest['reasoning']>) {
  return withoutNulls({ effort, summary: summary ?? before })
}

function formatOf(format: NonNullable<CreateRequest['text']>['format']): ReplyOptions['responseFormat'] {
  if (format?.type !== 'json_schema') return format ?? undefined
  const { type, name, schema, description, strict } = format
  return { type, name, schema, ...withoutNulls({ description, strict }) }
}

function samplingOf(asked: Omit<CreateRequest, 'input'>): Sampling {
  const { temperature, top_p, presence_penalty, frequency_penalty, max_output_tokens } = asked
  return withoutNulls({ temperature, top_p, presence_penalty, frequency_penalty, max_output_tokens })
}

type GivenTool = NonNullable<CreateRequest['tools']>[number]

/** The tools that the model hears of. */
function allowedTools({ tools, tool_choice: choice }: Pick<CreateRequest, 'tools' | 'tool_choice'>) {
  if (!tools || tools.length === 0) return undefined
  if (typeof choice !== 'object' || choice?.type !== 'allowed_tools') return tools
  const allowed = new Set(choice.tools.map(({ name }) => name))
  return tools.filter(({ name }) => allowed.has(name))
}

function toTool({ name, description, parameters, strict }: GivenTool): FunctionTool {
  return { name, ...withoutNulls({ description, parameters, strict }) }
}

function toChoice(choice: CreateRequest['tool_choice']): ToolChoice | undefined {
  if (typeof choice !== 'object') return choice
  if (choice === null) return undefined
  return choice.type === 'function' ? { name: choice.name } : choice.mode
}

/** What of a request stands nowhere else than with its response. */
export function toldOf(asked: Omit<CreateRequest, 'input'>): Told {
  const { tool_choice: choice, tools, store, background, service_tier: tier } = asked
  const narrowed = typeof choice === 'object' && choice?.type === 'allowed_tools'
  return withoutNulls({
    metadata: asked.metadata,
    max_tool_calls: asked.max_tool_calls,
    prompt_cache_key: asked.prompt_cache_key,
    prompt_cache_retention: asked.prompt_cache_retention,
    safety_identifier: asked.safety_identifier,
    user: asked.user,
    verbosity: asked.text?.verbosity,
    // Two names of one tier.
    service_tier: tier === 'auto' ? undefined : tier === 'fast' ? 'priority' : tier,
    store: store === false ? false : undefined,
    background: background ? true : undefined,
    tools: narrowed ? (tools ?? []).map((tool) => toolView(toTool(tool))) : undefined,
    tool_choice: narrowed ? choice : undefined,
  })
}

export function toolView({ name, description, parameters, strict }: FunctionTool) {
  return {
    type: 'function' as const,
    name,
    description: description ?? null,
    parameters: parameters ?? null,
    strict: strict ?? null,
  }
}

type Present<Given> = { [Key in keyof Given]?: NonNullable<Given[Key]> }

/** `given` without what is not there. */
export function withoutNulls<Given extends object>(given: Given): Present<Given> {
  const there = Object.entries(given).filter(([, value]) => value !== null && value !== undefined)
  return Object.fromEntries(there) as Present<Given>
}
