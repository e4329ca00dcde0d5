import { ParleyError } from '../../errors.ts'
import type { Item } from '../item.ts'

/** A page of `items`, which are oldest first. */
export function pageOfItems(
  items: Item[],
  { limit, order, after }: { limit: number; order: 'asc' | 'desc'; after?: string | undefined },
) {
  const ordered = order === 'asc' ? items : items.toReversed()
  const at = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1
  if (after !== undefined && at === 0) {
    const message = 'is no item of this response'
    throw new ParleyError('invalid_request', `after: ${message}`, {
      fields: [{ in: 'query', field: 'after', message }],
    })
  }
  const data = ordered.slice(at, at + limit)
  return {
    object: 'list' as const,
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: at + limit < ordered.length,
  }
}
