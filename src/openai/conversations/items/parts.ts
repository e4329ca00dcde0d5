import type { ContentPart } from '../../../messages/content.ts'
import type { Message } from '../../../messages/message.ts'
import { openAiId } from '../../ids.ts'
import { itemId } from '../../items.ts'

/** The places in a message's content of what the item `id` is made of; undefined where it has none such. */
export function placesOf(id: string, message: Message): number[] | undefined {
  const { id: messageId, role, content } = message
  if (role === 'AI') return placesIn(message).get(id)
  const places = content.flatMap((part, index) =>
    part.type === 'tool_result' || role !== 'Tool' ? [index] : [],
  )
  if (role !== 'Tool') return id === openAiId('msg_', messageId) ? places : undefined
  const index = places.findIndex((_, number) => id === openAiId('fco_', messageId, number))
  return index === -1 ? undefined : places.slice(index, index + 1)
}

/** `content` with `parts` in place of what stands at `places`. */
export function withParts(content: ContentPart[], places: number[], parts: ContentPart[]): ContentPart[] {
  const gone = new Set(places)
  return content.flatMap((part, index) => {
    if (index === places[0]) return parts
    return gone.has(index) ? [] : [part]
  })
}

const kinds = {
  text: 'message',
  refusal: 'message',
  reasoning: 'reasoning',
  tool_call: 'function_call',
  compaction: 'compaction',
} as const

/** What each item of a model's message is made of, by its id: as `items.ts` puts them together. */
function placesIn({ id: messageId, content, making }: Message): Map<string, number[]> {
  const whose = { id: messageId, toldAttempt: making?.toldAttempt }
  const items: Array<{ type: (typeof kinds)[keyof typeof kinds]; id: string; places: number[] }> = []
  for (const [index, part] of content.entries()) {
    const type = part.type in kinds ? kinds[part.type as keyof typeof kinds] : undefined
    // A thought of nothing is only kept for its provider.
    if (!type || (part.type === 'reasoning' && part.text === '' && !part.sealed)) continue
    const last = items.at(-1)
    if (type !== 'function_call' && last?.type === type) last.places.push(index)
    else items.push({ type, id: itemId(whose, type, items), places: [index] })
  }
  return new Map(items.map(({ id, places }) => [id, places]))
}
