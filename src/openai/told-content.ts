import type { ContentPart, ReasoningPart, ShownPart } from '../messages/content.ts'
import type { SealedThought } from '../replies/said.ts'

/** A part as this door tells it, and what it is made of. */
export type ToldPart = { parts: ContentPart[] } & (
  | Exclude<ShownPart, { type: 'reasoning' }>
  | { type: 'reasoning'; text: string }
)

/**
 * What a message is made of, as this door tells it: thoughts that follow each other are one, and one without a text is
 * there where its client carries it for its provider.
 */
export function toldContent(content: ContentPart[]): ToldPart[] {
  const told: ToldPart[] = []
  /** Thoughts that nobody is told of, behind what was told last. */
  let hidden: ReasoningPart[] = []
  for (const part of content) {
    const last = told.at(-1)
    if (part.type === 'reasoning') {
      if (last?.type === 'reasoning') {
        last.text += part.text
        last.parts.push(part)
      } else if (part.text !== '' || part.sealed) {
        told.push({ type: 'reasoning', text: part.text, parts: [...hidden, part] })
        hidden = []
      } else hidden.push(part)
      continue
    }
    // Events told nothing in between.
    if (part.type === 'text' && last?.type === 'text' && hidden.length > 0) {
      last.text += part.text
      last.parts.push(part)
    } else if (part.type === 'tool_call') {
      const { provider: _, ...call } = part
      told.push({ ...call, parts: [part] })
    } else told.push({ ...part, parts: [part] })
    hidden = []
  }
  return told
}

/** What providers need back with thoughts. */
export function sealedIn(parts: ContentPart[]): SealedThought[] {
  return parts.flatMap((part) => {
    if (part.type !== 'reasoning' || !part.provider) return []
    const { text, provider, call_id } = part
    return [{ text, provider, ...(call_id !== undefined && { call_id }) }]
  })
}
