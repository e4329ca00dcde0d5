import { z } from 'zod'
import { wholeNumber } from '../../http/parameters.ts'
import { item } from '../item.ts'
import { includeInQuery } from './include.ts'

export const responseParams = z.object({
  id: z.string().min(1).max(200).meta({ description: 'Of a response: `resp_…`.' }),
})

const flag = z
  .enum(['true', 'false'])
  .transform((given) => given === 'true')
  .meta({ type: 'boolean', enum: undefined })

export const retrieveQuery = z.strictObject({
  ...includeInQuery,
  stream: flag.optional().meta({ description: 'Answer with its events, from the first one on.' }),
  starting_after: wholeNumber(0, 999_999_999_999_999)
    .optional()
    .meta({ description: 'Of a stream: only the events behind this `sequence_number`.' }),
  include_obfuscation: flag.optional().meta({ description: 'Nothing is obfuscated.' }),
})

export const inputItemsQuery = z.strictObject({
  ...includeInQuery,
  limit: wholeNumber(1, 100).default(20),
  order: z.enum(['asc', 'desc']).default('desc'),
  after: z.string().max(200).optional().meta({ description: 'Only what follows this item.' }),
})

export const itemList = z
  .object({
    object: z.literal('list'),
    data: z.array(item),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'ItemList' })

export const deletedSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  deleted: z.literal(true),
})
