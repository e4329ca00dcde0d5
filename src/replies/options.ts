import { type OnCrash, type Policy, type Sampling, usualPolicy } from '../interactions/interaction.ts'

/**
 * What a reply is made with where that is not as its interaction says. Kept with the reply, so that whoever makes
 * it, at whatever attempt, does the same.
 */
export interface ReplyOptions {
  /** In place of the interaction's; null is none. */
  prompt?: string | null
  /** Each in place of the interaction's. */
  sampling?: Sampling
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

/** As it is stored; nothing where there is nothing to say. */
export function optionsToJson(options: ReplyOptions = {}): string | null {
  const json = JSON.stringify(options)
  return json === '{}' ? null : json
}

export function optionsFromJson(json: string | null): ReplyOptions {
  return json === null ? {} : (JSON.parse(json) as ReplyOptions)
}
