import type { ReplyErrorCode } from '../errors.ts'
import type { Metadata, Role } from '../interactions/interaction.ts'
import type { ContentPart } from './content.ts'
import type { Usage } from './usage.ts'

export type { Usage } from './usage.ts'

export const messageStatuses = [
  'queued',
  'in_progress',
  'completed',
  'failed',
  'incomplete',
  'cancelled',
] as const
export type MessageStatus = (typeof messageStatuses)[number]

/** A model that could not answer, before another one was asked or the same again. */
export interface Tried {
  model: string
  code: ReplyErrorCode
  at: number
}

/** How a message that a model makes is coming along. */
export interface Making {
  status: MessageStatus
  /** Who answers, or answered. */
  model: string
  tried: Tried[]
  attempt: number
  /** The attempt whose words stand there, where readers were told others before. */
  toldAttempt?: number | null
  finishReason: string | null
  usage: Usage | null
  error: { code: ReplyErrorCode; message: string } | null
  completedAt: number | null
}

/** What was said, or is being said. */
export interface Message {
  id: string
  interactionId: string
  /** Its place in the interaction: 1, 2, 3, … in the order of posting. */
  position: number
  /** The way of the conversation it was said in first; 0 is what came first. */
  branch: number
  /** What it follows, as far as that is still there. */
  parentId: string | null
  role: Role
  content: ContentPart[]
  metadata: Metadata
  createdAt: number
  updatedAt: number
  /** Null for what was said by a client. */
  making: Making | null
}

export function isOpen(status: MessageStatus): boolean {
  return status === 'queued' || status === 'in_progress'
}
