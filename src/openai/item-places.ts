import { type ContentPart, shownContent, type ShownPart } from '../messages/content.ts'
import type { Message } from '../messages/message.ts'
import { type IdKind, isSameItem, missing, openAiId } from './ids.ts'
import type { Item } from './item.ts'

/** An item of a message: what it is known by, and where its parts stand in the content. */
export interface ItemPlace {
  type: Item['type']
  /** Among those of its type in the message, from 0. */
  number: number
  id: string
  places: number[]
}

type Said = Pick<Message, 'id' | 'role' | 'content'> & Partial<Pick<Message, 'making'>>

/** What a message is made of, as far as that is items: one for each of its thoughts, texts and calls, in their order. */
export function itemPlaces({ id, role, content, making }: Said): ItemPlace[] {
  const placeOf = (type: Item['type'], number: number, places: number[]): ItemPlace => {
    return { type, number, id: idOfItem({ id, toldAttempt: making?.toldAttempt }, type, number), places }
  }
  if (role === 'Human' || role === 'System') return [placeOf('message', 0, [...content.keys()])]
  const items: ItemPlace[] = []
  for (const [index, part] of content.entries()) {
    const type = typeOf(part)
    if (!type) continue
    const last = items.at(-1)
    if (last && goesOn(last, type, part.number)) last.places.push(index)
    else items.push(placeOf(type, part.number ?? nextNumber(items, type), [index]))
  }
  return items
}

/** The number of the next item of a type behind others: the first of each has 0. */
export function nextNumber(items: Array<Pick<ItemPlace, 'type' | 'number'>>, type: Item['type']): number {
  const before = items.findLast((item) => item.type === type)
  return before === undefined ? 0 : before.number + 1
}

/** The item `itemId` of a message. Rejects with `not_found` where it has none such, or has it no more. */
export function placeIn(message: Said, itemId: string): ItemPlace {
  const place = itemPlaces(message).find(({ id }) => isSameItem(id, itemId))
  if (!place) throw missing('msg_', itemId)
  return place
}

/** The parts of an item as they are stored. */
export function partsAt(content: ContentPart[], { places }: Pick<ItemPlace, 'places'>): ContentPart[] {
  return places.flatMap((place) => content.slice(place, place + 1))
}

/** The parts of an item as they are shown. */
export function shownAt(
  { content, making }: Pick<Message, 'content' | 'making'>,
  item: ItemPlace,
): ShownPart[] {
  const { type, places } = item
  // What a model thinks was told as one; what a client brings of its own is as it was given.
  if (type === 'reasoning' && !making && !partsAt(content, item).some(isSealed)) {
    return partsAt(content, item).flatMap((part) => shownContent([part]))
  }
  // What stands between its parts is only kept for the provider, and holds them together.
  return shownContent(content.slice(places[0], (places.at(-1) ?? 0) + 1))
}

/** The parts of an item, and the thoughts beside it that nobody is shown, for their provider. */
export function storedAt({ content }: Pick<Message, 'content'>, { places }: ItemPlace): ContentPart[] {
  const isHidden = (index: number) => content[index]?.type === 'reasoning' && !typeOf(content[index])
  let [from = 0] = places
  let to = places.at(-1) ?? 0
  while (isHidden(from - 1)) from -= 1
  while (isHidden(to + 1)) to += 1
  return content.slice(from, to + 1).map(({ number: _, ...part }) => part)
}

/** The content of a message with other parts for an item, which keeps its number. */
export function withItem(content: ContentPart[], item: ItemPlace, parts: ContentPart[]): ContentPart[] {
  const number = partsAt(content, item)[0]?.number
  const numbered = number === undefined ? parts : parts.map((part) => ({ ...part, number }))
  // A user may have said nothing.
  if (item.places.length === 0) return [...content, ...numbered]
  return content.flatMap((part, index) => {
    if (index === item.places[0]) return numbered
    return item.places.includes(index) ? [] : [part]
  })
}

/** The content of a message without an item. Those that are left are told their numbers: they cannot be counted now. */
export function withoutItem(message: Said, gone: ItemPlace): ContentPart[] {
  const left = itemPlaces(message).filter(({ id }) => id !== gone.id)
  const numbers = new Map(left.flatMap(({ number, places }) => places.map((place) => [place, number])))
  return message.content.flatMap((part, index) => {
    if (gone.places.includes(index)) return []
    const number = numbers.get(index)
    return number === undefined ? [part] : [{ ...part, number }]
  })
}

const types: Partial<Record<ContentPart['type'], Item['type']>> = {
  text: 'message',
  refusal: 'message',
  reasoning: 'reasoning',
  tool_call: 'function_call',
  tool_result: 'function_call_output',
  compaction: 'compaction',
}

function typeOf(part: ContentPart): Item['type'] | undefined {
  // A thought of nothing is only kept for its provider, or carried by its client.
  return part.type === 'reasoning' && part.text === '' && !isSealed(part) ? undefined : types[part.type]
}

function isSealed(part: ContentPart): boolean {
  return part.type === 'reasoning' && part.sealed === true
}

/** What several parts can be of. */
const grown = new Set<Item['type']>(['message', 'reasoning'])

/** Whether a part belongs to the item in front of it: what is said or thought in one go is one. */
function goesOn(last: ItemPlace, type: Item['type'], number = last.number): boolean {
  return grown.has(type) && type === last.type && number === last.number
}

const kinds: Record<Item['type'], IdKind> = {
  message: 'msg_',
  reasoning: 'rs_',
  function_call: 'fc_',
  function_call_output: 'fco_',
  compaction: 'cmp_',
}

/** Whose items those are, and the attempt that told them in place of others. */
interface Whose {
  id: string
  toldAttempt?: number | null | undefined
}

/** The id of an item: the first of its type has only the digits of its message. */
export function idOfItem({ id, toldAttempt }: Whose, type: Item['type'], number: number): string {
  return openAiId(kinds[type], id, number, toldAttempt)
}
