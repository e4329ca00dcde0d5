import type { Interaction } from '../../interactions/interaction.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import { found, uuidOf } from '../ids.ts'

/** Finds the interaction of a conversation, by its id on this wire and through its owner. */
export function conversationFinder(interactions: Pick<Interactions, 'find'>) {
  return (ownerId: string, id: string): Promise<Interaction> => {
    const uuid = uuidOf('conv_', id, { in: 'path', field: 'conversation_id' })
    return found('conv_', id, interactions.find(ownerId, uuid))
  }
}
