export const roles = ['System', 'Human', 'AI', 'Tool'] as const
export type Role = (typeof roles)[number]

/** Whether a model answers what is said in that role. */
export function isAnswered(role: Role): boolean {
  return role === 'Human' || role === 'Tool'
}

/** How a model is asked to answer; what is not set is left to the model. */
export interface Sampling {
  temperature?: number | undefined
  top_p?: number | undefined
  max_output_tokens?: number | undefined
  stop?: string[] | undefined
  seed?: number | undefined
  presence_penalty?: number | undefined
  frequency_penalty?: number | undefined
}

/**
 * What a post does where an answer is still being made: waits for its turn, is refused, cancels that answer and
 * keeps what was said of it, or takes its place.
 */
export const onBusyPolicies = ['queue', 'reject', 'interrupt', 'rollback'] as const
export type OnBusy = (typeof onBusyPolicies)[number]

/**
 * What becomes of an answer whose process ended in the middle of it: it is made anew, it goes on where it was, or it
 * ends as it is.
 */
export const onCrashPolicies = ['retry', 'continue', 'fail'] as const
export type OnCrash = (typeof onCrashPolicies)[number]

/** What is to be done where the usual would not be right. */
export interface Policy {
  onBusy: OnBusy
  onCrash: OnCrash
  /** How many attempts at an answer may end with their process; null is what the server has for all. */
  maxAttempts: number | null
}

export const usualPolicy: Policy = { onBusy: 'queue', onCrash: 'retry', maxAttempts: null }

/** What an interaction was made for, where the door that made it lists it as something of its own. */
export type Origin = 'chat_completion'

/** Up to 16 pairs of the client's own. */
export type Metadata = Record<string, string>

/** A conversation and its settings. */
export interface Interaction {
  id: string
  ownerId: string
  title: string | null
  /** As it was named; resolved when a message is posted. */
  model: string
  /** Who answers where `model` cannot, in this order; named as it is. */
  fallbacks: string[]
  role: Role
  /** Goes to the model as the system message with every turn. */
  prompt: string | null
  sampling: Sampling
  policy: Policy
  metadata: Metadata
  /** The branch that the next message belongs to; 0 is what came first. */
  currentBranch: number
  origin: Origin | null
  /** When it is removed, all its answers being there; until then it is not listed. Null is never. */
  expiresAt: number | null
  createdAt: number
  updatedAt: number
}
