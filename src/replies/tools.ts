import { z } from 'zod'
import { toolName } from '../messages/content.ts'
import { plainText } from '../text.ts'
import { jsonSchemaObject } from './json-schema.ts'

export const maxTools = 128
/** Of all tools of a reply together: they are kept with it, and sent with every turn. */
const maxToolsChars = 1_000_000
/** As models and providers take it. */
const maxNameChars = 64

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
    for (const { index, message } of wrongTools(tools)) {
      addIssue({ code: 'custom', path: index === undefined ? [] : [index, 'name'], message })
    }
  })

/** Whether the model calls tools: as it likes, never, at least one, or this one. */
export const toolChoice = z
  .union([z.enum(['auto', 'none', 'required']), z.strictObject({ name: toolName })])
  .meta({ id: 'ToolChoice' })

/** A function as its client calls it. */
export interface Called {
  name: string
  namespace?: string | undefined
}

export type FunctionTool = Omit<z.infer<typeof functionTool>, 'type'> & {
  /** What its client calls it, where that is not by the name that the model has for it. */
  called?: Called
}
export type ToolChoice = z.infer<typeof toolChoice>

/** What is wrong with tools together: with the one at `index`, or with all of them. */
export function wrongTools(tools: FunctionTool[]): Array<{ index: number | undefined; message: string }> {
  const names = new Set<string>()
  const wrong: ReturnType<typeof wrongTools> = []
  for (const [index, { name }] of tools.entries()) {
    if (names.has(name)) wrong.push({ index, message: 'names another tool already' })
    else if (name.length > maxNameChars) wrong.push({ index, message: 'is too long beside its namespace' })
    names.add(name)
  }
  if (tools.length > maxTools) {
    wrong.push({ index: undefined, message: `must have at most ${maxTools} functions` })
  }
  if (JSON.stringify(tools).length > maxToolsChars) {
    wrong.push({ index: undefined, message: `must have at most ${maxToolsChars} characters together` })
  }
  return wrong
}

/** Why `choice` cannot be made among `tools`. */
export function impossibleChoice(
  choice: ToolChoice | undefined,
  tools: FunctionTool[] = [],
): string | undefined {
  if (choice === 'required') return tools.length > 0 ? undefined : 'needs `tools`'
  if (typeof choice !== 'object') return undefined
  return tools.some(({ name }) => name === choice.name) ? undefined : 'names none of the `tools`'
}

/** What the client calls the function that the model calls `name`. */
export function calledAs(tools: FunctionTool[] = [], name: string): Called {
  return tools.find((tool) => tool.name === name)?.called ?? { name }
}

/** What the model calls the function of that name and namespace; of one that it has no more, its name alone. */
export function toldAs(tools: FunctionTool[] = [], { name, namespace }: Called): string {
  if (namespace === undefined) return name
  const isIt = ({ called }: FunctionTool) => called?.name === name && called.namespace === namespace
  return tools.find(isIt)?.name ?? name
}
