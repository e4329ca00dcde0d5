import type { Sampling } from '../interactions/interaction.ts'

/**
 * What a reply is made with where that is not as its interaction says. Kept with the reply, so that whoever makes
 * it, at whatever attempt, does the same.
 */
export interface ReplyOptions {
  /** Who may answer, in order, where that is more than one. */
  models?: string[]
  /** In place of the interaction's; null is none. */
  prompt?: string | null
  /** Each in place of the interaction's. */
  sampling?: Sampling
}

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
