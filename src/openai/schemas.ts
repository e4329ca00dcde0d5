import { z } from 'zod'
import { wholeNumber } from '../http/parameters.ts'
import { plainText } from '../text.ts'

/** The query of a list: `limit` items behind `after`, which is the id of one. */
export function listQuery(defaultOrder: 'asc' | 'desc') {
  return {
    limit: wholeNumber(1, 100).default(20).meta({ description: 'At most so many, 1 to 100.' }),
    order: z.enum(['asc', 'desc']).default(defaultOrder).meta({ description: 'Oldest or newest first.' }),
    after: z.string().max(200).optional().meta({ description: 'Only what follows the one of this id.' }),
  }
}

/** The shape of a page of `item`. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    object: z.literal('list'),
    data: z.array(item),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
}

/** A query of `shape`, and beside it of `metadata[key]=value` for each pair that is asked for. */
export function queryWithMetadata<Shape extends z.ZodRawShape>(shape: Shape) {
  return z
    .object(shape)
    .catchall(plainText({ max: 512 }))
    .superRefine((query, { addIssue }) => {
      const keys = Object.keys(query).filter((key) => !(key in shape) && metadataKey(key) === undefined)
      if (keys.length > 0) addIssue({ code: 'unrecognized_keys', keys, input: query })
    })
}

/** The pairs in such a query. */
export function metadataIn(query: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) => {
      const key = metadataKey(name)
      return key === undefined ? [] : [[key, String(value)]]
    }),
  )
}

function metadataKey(name: string): string | undefined {
  return /^metadata\[(.{1,64})\]$/.exec(name)?.[1]
}
