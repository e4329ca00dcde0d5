import type { Sampling } from '../../interactions/interaction.ts'
import type { ReplyOptions } from '../../replies/options.ts'
import type { CreateRequest } from './request.ts'
import type { ResponseObject } from './response.ts'
import { choiceOf, functionsIn, toldTools } from './tools.ts'

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
  /** With how many copies of others its interaction begins, where that is its own. */
  copied?: number | undefined
  told: Told
}

export function keptOf({ door }: ReplyOptions): Kept | undefined {
  return door as Kept | undefined
}

/**
 * With how many copies the interaction of a response begins, where that is there for it and what follows it alone.
 * Undefined where it is a conversation's, as what another door asked for is.
 */
export function copiedBefore(options: ReplyOptions): number | undefined {
  const kept = keptOf(options)
  return kept?.told.conversation ? undefined : kept?.copied
}

/** Whether a response stays when it was delivered. */
export function isStored(asked: { store?: boolean | null | undefined } | undefined): boolean {
  return asked?.store !== false
}

/** What a reply is asked for by a request. */
export function optionsOf(asked: Omit<CreateRequest, 'input'>, kept: Kept): ReplyOptions {
  const { instructions, tool_choice: choice, text, reasoning, parallel_tool_calls: parallel } = asked
  const { format } = text ?? {}
  return {
    ...(typeof instructions === 'string' && { prompt: instructions }),
    sampling: samplingOf(asked),
    tools: functionsIn(asked),
    toolChoice: choiceOf(choice),
    parallelToolCalls: parallel ?? undefined,
    responseFormat: formatOf(format),
    schemaIsAdvice: format?.type === 'json_schema' && format.strict !== true ? true : undefined,
    truncation: asked.truncation ?? 'disabled',
    compaction: compactionOf(asked),
    sealsThoughts: asked.include?.includes('reasoning.encrypted_content') ? true : undefined,
    generates: asked.generate === false ? false : undefined,
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

function compactionOf({ context_management: managed }: Omit<CreateRequest, 'input'>) {
  const [compaction] = managed ?? []
  return compaction && { atTokens: compaction.compact_threshold ?? undefined }
}

function samplingOf(asked: Omit<CreateRequest, 'input'>): Sampling {
  const { temperature, top_p, presence_penalty, frequency_penalty, max_output_tokens } = asked
  return withoutNulls({ temperature, top_p, presence_penalty, frequency_penalty, max_output_tokens })
}

/** What of a request stands nowhere else than with its response. */
export function toldOf(asked: Omit<CreateRequest, 'input'>): Told {
  const { store, background, service_tier: tier } = asked
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
    ...toldTools(asked),
  })
}

type Present<Given> = { [Key in keyof Given]?: NonNullable<Given[Key]> }

/** `given` without what is not there. */
export function withoutNulls<Given extends object>(given: Given): Present<Given> {
  const there = Object.entries(given).filter(([, value]) => value !== null && value !== undefined)
  return Object.fromEntries(there) as Present<Given>
}
