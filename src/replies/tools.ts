import { z } from 'zod'
import { toolName } from '../messages/content.ts'
import { plainText } from '../text.ts'
import { jsonSchemaObject } from './json-schema.ts'

const maxTools = 128
/** Of all tools of a reply together: they are kept with it, and sent with every turn. */
const maxToolsChars = 1_000_000

/** A function that the model may ask the client to call. */
export const functionTool = z
  .strictObject({
    type: z.literal('function').default('function'),
    name: toolName,
    description: plainText({ max: 16_384 }).optional(),
    parameters: jsonSchemaObject.optional().meta({ description: 'JSON schema of its arguments.' }),
    strict: z.boolean().optional().meta({ description: 'The arguments must be as the schema says.' }),
  })
  .meta({ id: 'FunctionTool', description: 'A function that the client calls for the model.' })

export const functionTools = z
  .array(functionTool)
  .max(maxTools)
  .superRefine((tools, { addIssue }) => {
    const names = new Set<string>()
    for (const [index, { name }] of tools.entries()) {
      if (names.has(name)) {
        addIssue({ code: 'custom', path: [index, 'name'], message: 'names another tool already' })
      }
      names.add(name)
    }
    if (JSON.stringify(tools).length > maxToolsChars) {
      addIssue({ code: 'custom', message: `must have at most ${maxToolsChars} characters together` })
    }
  })

/** Whether the model calls tools: as it likes, never, at least one, or this one. */
export const toolChoice = z
  .union([z.enum(['auto', 'none', 'required']), z.strictObject({ name: toolName })])
  .meta({ id: 'ToolChoice' })

export type FunctionTool = Omit<z.infer<typeof functionTool>, 'type'>
export type ToolChoice = z.infer<typeof toolChoice>

/** Why `choice` cannot be made among `tools`. */
export function impossibleChoice(
  choice: ToolChoice | undefined,
  tools: FunctionTool[] = [],
): string | undefined {
  if (choice === 'required') return tools.length > 0 ? undefined : 'needs `tools`'
  if (typeof choice !== 'object') return undefined
  return tools.some(({ name }) => name === choice.name) ? undefined : 'names none of the `tools`'
}
