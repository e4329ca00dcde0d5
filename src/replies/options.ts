import {
  type Interaction,
  type OnCrash,
  type Policy,
  type Sampling,
  usualPolicy,
} from '../interactions/interaction.ts'
import type { Message } from '../messages/message.ts'
import type { ResponseFormat } from './response-format.ts'
import type { FunctionTool, ToolChoice } from './tools.ts'

export const reasoningEfforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
export type ReasoningEffort = (typeof reasoningEfforts)[number]

/**
 * What a reply is made with where that is not as its interaction says, and what it may do. Kept with the reply, so
 * that whoever makes it, at whatever attempt, does the same.
 */
export interface ReplyOptions {
  /** How many messages were said for it, right in front of it, where that is not one. */
  said?: number | undefined
  /** Who may answer, in order, where that is more than one. */
  models?: string[]
  /** In place of the interaction's; null is none. */
  prompt?: string | null | undefined
  /** Each in place of the interaction's. */
  sampling?: Sampling | undefined
  /** What the model may ask the client to call. */
  tools?: FunctionTool[] | undefined
  /** `auto` where it is not set. */
  toolChoice?: ToolChoice | undefined
  /** Whether one answer may call several tools. */
  parallelToolCalls?: boolean | undefined
  responseFormat?: ResponseFormat | undefined
  /** Its schema is what the model is told, and no more: an answer that is JSON is right. */
  schemaIsAdvice?: boolean | undefined
  /** `disabled`: a history that does not fit the model's window fails; else the oldest of it is left out. */
  truncation?: 'auto' | 'disabled' | undefined
  /** A history of more tokens than that is summed up first; left out, than four fifths of the model's window. */
  compaction?: { atTokens?: number | undefined } | undefined
  reasoning?:
    | {
        effort?: ReasoningEffort | undefined
        /** What of its thoughts a provider tells that keeps them to itself. */
        summary?: 'auto' | 'concise' | 'detailed' | undefined
      }
    | undefined
  /** Stands beside a conversation that it does not belong to: what is posted there does not touch it. */
  isAside?: true | undefined
  /** What its provider needs back with its thoughts is told: its client gives them back. */
  sealsThoughts?: boolean | undefined
  /** `false`: no model is asked. What was said stands there, and can be gone on with. */
  generates?: false | undefined
  /** What the door that it was asked through tells of it again; nobody else reads it. */
  door?: Record<string, unknown> | undefined
  /** The usual is `retry`. */
  onCrash?: OnCrash | undefined
  /** How many attempts may end with their process; the usual is the server's MAX_CRASHES. */
  maxAttempts?: number | undefined
}

/**
 * With what the interaction's policy says where the post does not. It is kept with the reply, because whoever takes
 * that over has to know it.
 */
export function withPolicy(options: ReplyOptions = {}, policy: Policy): ReplyOptions {
  const onCrash = options.onCrash ?? policy.onCrash
  return {
    ...options,
    onCrash: onCrash === usualPolicy.onCrash ? undefined : onCrash,
    maxAttempts: options.maxAttempts ?? policy.maxAttempts ?? undefined,
  }
}

/** With the settings of the interaction as they are now: whoever tells of the reply tells what its model got. */
export function withSettings(
  options: ReplyOptions = {},
  { prompt, sampling }: Pick<Interaction, 'prompt' | 'sampling'>,
): ReplyOptions {
  return {
    ...options,
    prompt: options.prompt === undefined ? (prompt ?? undefined) : options.prompt,
    sampling: { ...sampling, ...options.sampling },
  }
}

/** How many messages were said for a reply. */
export function saidFor({ said = 1 }: ReplyOptions): number {
  return said
}

/** Whether `before`, the message in front of a reply, is one of those that were said for it. */
export function isSaidFor(before: Place, reply: Place, options: ReplyOptions): boolean {
  return before.branch === reply.branch && before.position >= reply.position - saidFor(options)
}

type Place = Pick<Message, 'branch' | 'position'>

/** Who may answer: the list, or the one that was named. */
export function modelsOf(options: ReplyOptions, model: string): string[] {
  return options.models ?? [model]
}

/** As it is stored; nothing where there is nothing to say. */
export function optionsToJson(options: ReplyOptions = {}): string | null {
  const json = JSON.stringify(options)
  return json === '{}' ? null : json
}

export function optionsFromJson(json: string | null): ReplyOptions {
  return json === null ? {} : (JSON.parse(json) as ReplyOptions)
}
