import { z } from 'zod'
import type { Page } from '../paging.ts'
import { idParameter, wholeNumber } from './parameters.ts'

/** The query of a list: `limit` items, behind `after` or in front of `before`, which are ids of items. */
export function pageQuery(defaultOrder: 'asc' | 'desc') {
  return z.strictObject({
    limit: wholeNumber(1, 100).default(20).meta({ description: 'At most so many items, 1 to 100.' }),
    order: z.enum(['asc', 'desc']).default(defaultOrder).meta({ description: 'Oldest or newest first.' }),
    after: idParameter().optional().meta({ description: 'Only what follows this item.' }),
    before: idParameter().optional().meta({ description: 'Only what stands in front of this item.' }),
  })
}

/** The shape of a page of `item`. */
export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({
    object: z.literal('list'),
    data: z.array(item),
    has_more: z.boolean(),
    next: z.uuid().nullable().meta({ description: 'Pass it as the same cursor for the following page.' }),
  })
}

/** A page in that shape. */
export function pageView<Item, View>({ data, hasMore, next }: Page<Item>, view: (item: Item) => View) {
  return { object: 'list' as const, data: data.map(view), has_more: hasMore, next }
}
