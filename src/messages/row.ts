import type { Metadata, Role } from '../interactions/interaction.ts'
import type { MessageRow, ReplyRow } from '../storage/schema.ts'
import type { ContentPart } from './content.ts'
import type { Making, Message, MessageStatus, Tried, Usage } from './message.ts'

/** A message with how it is coming along, which only the room of replies writes. */
export type Joined = Omit<MessageRow, 'tokens'> &
  ({
    [Column in keyof typeof makingColumns]: ReplyRow[Column] | null
  } & { status: string | null })

const messageColumns = [
  'messages.id',
  'messages.interaction_id',
  'messages.position',
  'messages.branch',
  'messages.role',
  'messages.content_json',
  'messages.metadata_json',
  'messages.created_at',
  'messages.updated_at',
] as const

const makingColumns = {
  status: 'replies.status',
  model: 'replies.model',
  tried_json: 'replies.tried_json',
  attempt: 'replies.attempt',
  told_attempt: 'replies.told_attempt',
  finish_reason: 'replies.finish_reason',
  usage_json: 'replies.usage_json',
  error_json: 'replies.error_json',
  completed_at: 'replies.completed_at',
} as const

export const columns = [...messageColumns, ...Object.values(makingColumns)] as const

export function fromRow(row: Joined, parentId: string | null): Message {
  return {
    id: row.id,
    interactionId: row.interaction_id,
    position: row.position,
    branch: row.branch,
    parentId,
    role: row.role as Role,
    content: JSON.parse(row.content_json) as ContentPart[],
    metadata: JSON.parse(row.metadata_json) as Metadata,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    making: makingOf(row),
  }
}

function makingOf(row: Joined): Making | null {
  if (row.status === null) return null
  return {
    status: row.status as MessageStatus,
    model: row.model ?? '',
    tried: row.tried_json === null ? [] : (JSON.parse(row.tried_json) as Tried[]),
    attempt: row.attempt ?? 0,
    toldAttempt: row.told_attempt,
    finishReason: row.finish_reason,
    usage: row.usage_json === null ? null : (JSON.parse(row.usage_json) as Usage),
    error: row.error_json === null ? null : (JSON.parse(row.error_json) as NonNullable<Making['error']>),
    completedAt: row.completed_at,
  }
}
