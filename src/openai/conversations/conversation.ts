import type { Interaction } from '../../interactions/interaction.ts'
import { openAiId } from '../ids.ts'
import type { Conversation } from './schemas.ts'

/** An interaction as a conversation. */
export function conversationOf(interaction: Interaction): Conversation {
  const { id, createdAt, metadata, title, model, prompt } = interaction
  return {
    id: openAiId('conv_', id),
    object: 'conversation',
    created_at: Math.floor(createdAt / 1_000),
    metadata,
    title,
    model,
    instructions: prompt,
  }
}
