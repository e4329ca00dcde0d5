import type { Sampling } from '../interactions/interaction.ts'

/**
 * What a reply is made with where that is not as its interaction says. Kept with the reply, so that whoever makes
 * it, at whatever attempt, does the same.
 */
export interface ReplyOptions {
  /** In place of the interaction's; null is none. */
  prompt?: string | null
  /** Each in place of the interaction's. */
  sampling?: Sampling
}

/** As it is stored; nothing where there is nothing to say. */
export function optionsToJson(options: ReplyOptions = {}): string | null {
  const json = JSON.stringify(options)
  return json === '{}' ? null : json
}

export function optionsFromJson(json: string | null): ReplyOptions {
  return json === null ? {} : (JSON.parse(json) as ReplyOptions)
}
