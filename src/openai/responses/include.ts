import { z } from 'zod'

/** What a client may ask to be included. What a response has is there anyway, but for what is sealed. */
const includable = z.enum(
  [
    'reasoning.encrypted_content',
    'message.input_image.image_url',
    'file_search_call.results',
    'web_search_call.results',
    'web_search_call.action.sources',
    'computer_call_output.output.image_url',
    'code_interpreter_call.outputs',
  ],
  { error: 'is not supported' },
)

export const include = z.array(includable).max(16)

const queried = z.union([includable, include]).optional()

/** The same in a query, as clients of either kind write a list there. */
export const includeInQuery = { include: queried, 'include[]': queried }

type Queried = { [Name in keyof typeof includeInQuery]?: z.infer<typeof queried> }

/** Whether a query asks for what providers need back with thoughts. */
export function includesSealed(query: Queried): boolean {
  return [query.include, query['include[]']].flat().includes('reasoning.encrypted_content')
}
