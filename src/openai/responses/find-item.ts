import { ParleyError } from '../../errors.ts'
import type { ContentPart } from '../../messages/content.ts'
import type { Messages } from '../../messages/messages.ts'
import { partOf } from '../ids.ts'
import { toldContent, type ToldPart } from '../told-content.ts'
import type { FindItem } from './said.ts'

const partsOfItem: Record<'msg_' | 'rs_' | 'fc_' | 'cmp_', ReadonlySet<ContentPart['type']>> = {
  msg_: new Set(['text', 'refusal']),
  rs_: new Set(['reasoning']),
  fc_: new Set(['tool_call']),
  cmp_: new Set(['compaction']),
}

/** Finds what items of a model are made of, that a client only names. */
export function itemFinder(messages: Pick<Messages, 'find'>, ownerId: string): FindItem {
  return async (id, field) => {
    const { kind, uuid, part } = partOf(['msg_', 'rs_', 'fc_', 'cmp_'], id, { in: 'body', field })
    const { role, content } = await findMessage(uuid, id, field)
    const groups = role === 'AI' ? groupsOf(toldContent(content), partsOfItem[kind as 'msg_']) : []
    const group = groups[part]
    if (!group) throw itemNotFound(id, field)
    return group
  }

  async function findMessage(uuid: string, id: string, field: string) {
    try {
      return await messages.find(ownerId, uuid)
    } catch (error) {
      if (error instanceof ParleyError && error.code === 'not_found') throw itemNotFound(id, field)
      throw error
    }
  }
}

/** The parts of those types, item by item: texts that follow each other are one. */
function groupsOf(content: ToldPart[], types: ReadonlySet<ContentPart['type']>): ContentPart[][] {
  const groups: ContentPart[][] = []
  let before: ToldPart | undefined
  for (const part of content) {
    const last = groups.at(-1)
    const goesOn = types.has('text') && before !== undefined && types.has(before.type)
    if (types.has(part.type) && last && goesOn) last.push(...part.parts)
    else if (types.has(part.type)) groups.push([...part.parts])
    before = part
  }
  return groups
}

function itemNotFound(id: string, field: string): ParleyError {
  const message = `Item with id '${id.slice(0, 100)}' not found.`
  return new ParleyError('not_found', message, { fields: [{ in: 'body', field, message }] })
}
