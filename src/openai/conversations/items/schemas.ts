import { z } from 'zod'
import { maxTextChars } from '../../../messages/content.ts'
import { plainText } from '../../../text.ts'
import { item } from '../../item.ts'
import { inputItem, inputParts, messageParts } from '../../responses/input.ts'
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

const text = plainText({ max: maxTextChars })

/** `POST /v1/conversations/{id}/items/{item}`: of a message its content, of a call its arguments, of its result the output. */
export const itemChange = z
  .strictObject({
    content: z.union([plainText({ min: 1, max: maxTextChars }), messageParts]).optional(),
    arguments: text.optional(),
    output: z.union([text, inputParts]).optional(),
  })
  .superRefine((given, { addIssue }) => {
    const fields = Object.keys(given)
    if (fields.length === 1) return
    const message = 'give one of content (of a message), arguments (of a call) and output (of its result)'
    addIssue({ code: 'custom', message })
  })
  .meta({ id: 'ItemChange', description: 'One of the three.' })

export type ItemChange = z.infer<typeof itemChange>
