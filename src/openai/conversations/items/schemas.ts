import { z } from 'zod'
import { maxTextChars } from '../../../messages/content.ts'
import { plainText } from '../../../text.ts'
import { item } from '../../item.ts'
import { inputItem, inputParts } from '../../responses/input.ts'
import { listOf, listQuery } from '../../schemas.ts'
import { maxItems } from '../schemas.ts'

/** Nothing is left out that could be included. */
const included = {
  include: z.union([z.string(), z.array(z.string())]).optional(),
  'include[]': z.union([z.string(), z.array(z.string())]).optional(),
}

export const itemParams = z.object({
  id: z.string().min(1).max(200).meta({ description: 'Of a conversation: `conv_…`.' }),
  item: z.string().min(1).max(200).meta({ description: 'Of an item: `msg_…`, `rs_…`, `fc_…`, `fco_…`.' }),
})

/** `POST /v1/conversations/{id}/items` */
export const itemsInput = z.strictObject({ items: z.array(inputItem).min(1).max(maxItems) })

export const includeQuery = z.strictObject(included)
export const itemsQuery = z.strictObject({ ...listQuery('desc'), ...included })
export const conversationItems = listOf(item)

const text = plainText({ min: 1, max: maxTextChars })

/** `POST /v1/conversations/{id}/items/{item}`: of a message its content, of a call its arguments, of its result the output. */
export const itemChange = z
  .union([
    z.strictObject({ content: z.union([text, inputParts]) }),
    z.strictObject({ arguments: plainText({ max: maxTextChars }) }),
    z.strictObject({ output: z.union([plainText({ max: maxTextChars }), inputParts]) }),
  ])
  .meta({ id: 'ItemChange' })

export type ItemChange = z.infer<typeof itemChange>
