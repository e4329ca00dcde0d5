import type { StreamEvent } from '../client.ts'

/** A message that a client tried to post, and what it was told. */
export interface Attempted {
  /** Its content: no two are alike. */
  content: string
  interactionId: string
  poster: number
  /** `unanswered`: the connection broke, it may be there or not. */
  outcome: 'accepted' | 'refused' | 'unanswered'
  /** What the 201 said, as far as it was received. */
  told: { messageId: string; position: number; replyId: string; replyPosition: number } | undefined
}

/** What one reader saw of one reply, over all its connections. */
export interface Reading {
  replyId: string
  events: StreamEvent[]
  reconnects: number
  /** It was told that the server closes its stream, and when to come back. */
  closings: number
  /** It was told that there is no such reply (any more). */
  isGone: boolean
}

/** Everything that clients were told, to be held against what is there in the end. */
export interface Witness {
  attempted: Attempted[]
  readings: Reading[]
  /** What should never have happened, in words. */
  exceptions: string[]
}

export function createWitness(): Witness {
  return { attempted: [], readings: [], exceptions: [] }
}
