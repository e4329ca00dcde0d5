import { z } from 'zod'
import { toolName } from '../../messages/content.ts'
import { jsonSchemaObject } from '../../replies/json-schema.ts'
import {
  type FunctionTool,
  impossibleChoice,
  maxTools,
  type ToolChoice,
  wrongTools,
} from '../../replies/tools.ts'
import { plainText } from '../../text.ts'
import { refused } from '../refused.ts'

/** The tools of a request, and which of them the model may call. */

const noOtherTools = 'this server calls no tools of its own; tools of type function are called by you'

const functionTool = z.strictObject({
  type: z.literal('function'),
  name: toolName,
  description: plainText({ max: 16_384 }).nullish(),
  parameters: jsonSchemaObject.nullish(),
  strict: z.boolean().nullish(),
  async: z.literal(false, { error: 'is not supported' }).nullish(),
  defer_loading: z.literal(false, { error: 'is not supported' }).nullish(),
  allowed_callers: z.array(z.literal('direct', { error: 'is not supported: only models call' })).nullish(),
  output_schema: refused('what comes of a call is not checked'),
})

const namespaceTool = z.strictObject({
  type: z.literal('namespace'),
  name: toolName,
  description: plainText({ max: 16_384 }).nullish(),
  tools: z
    .array(z.discriminatedUnion('type', [functionTool], { error: 'is not supported: only function is' }))
    .max(maxTools),
})

export const toolsField = z
  .array(
    z.discriminatedUnion('type', [functionTool, namespaceTool], {
      error: `is not supported: ${noOtherTools}`,
    }),
  )
  .max(maxTools)

const namedTool = z.strictObject({ type: z.literal('function'), name: toolName })

export const toolChoiceField = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion(
    'type',
    [
      namedTool,
      z.strictObject({
        type: z.literal('allowed_tools'),
        mode: z.enum(['none', 'auto', 'required']).default('auto'),
        tools: z.array(namedTool).min(1).max(maxTools),
      }),
    ],
    { error: 'is not supported: known are function and allowed_tools' },
  ),
])

type GivenTool = z.infer<typeof toolsField>[number]
type GivenFunction = z.infer<typeof functionTool>

/** What of a request is about tools. */
export interface Tooling {
  tools?: GivenTool[] | null | undefined
  tool_choice?: z.infer<typeof toolChoiceField> | null | undefined
}

interface Issue {
  path: PropertyKey[]
  message: string
}

/** What is wrong with tools that are right each by itself, or with a choice among them. */
export function toolIssues({ tools, tool_choice: choice }: Tooling): Issue[] {
  const functions = flattened(tools ?? [])
  const issues = wrongTools(functions.map(({ tool }) => tool)).map(({ index, message }) => ({
    path: index === undefined ? ['tools'] : ['tools', ...(functions[index]?.path ?? []), 'name'],
    message,
  }))
  const all = functions.map(({ tool }) => tool)
  const impossible = impossibleChoice(choiceOf(choice), all)
  if (impossible) issues.push({ path: ['tool_choice'], message: impossible })
  for (const [index, { name }] of allowedIn(choice).entries()) {
    const missing = impossibleChoice({ name }, all)
    if (missing) issues.push({ path: ['tool_choice', 'tools', index, 'name'], message: missing })
  }
  return issues
}

/** The functions that the model hears of, by names that are each one's own. */
export function functionsIn({ tools, tool_choice: choice }: Tooling): FunctionTool[] | undefined {
  if (!tools || tools.length === 0) return undefined
  const functions = flattened(tools).map(({ tool }) => tool)
  if (!isNarrowed(choice)) return functions
  const allowed = new Set(allowedIn(choice).map(({ name }) => name))
  return functions.filter(({ name }) => allowed.has(name))
}

export function choiceOf(choice: Tooling['tool_choice']): ToolChoice | undefined {
  if (typeof choice !== 'object') return choice
  if (choice === null) return undefined
  return choice.type === 'function' ? { name: choice.name } : choice.mode
}

/** What a response tells of its tools that stands nowhere else. */
export function toldTools({ tools, tool_choice: choice }: Tooling) {
  const isNested = tools?.some(({ type }) => type === 'namespace')
  return {
    tools: isNested || isNarrowed(choice) ? (tools ?? []).map((tool) => givenView(tool)) : undefined,
    tool_choice: isNarrowed(choice) ? choice : undefined,
  }
}

export function toolView({ name, description, parameters, strict }: FunctionTool) {
  return {
    type: 'function' as const,
    name,
    description: description ?? null,
    parameters: parameters ?? null,
    strict: strict ?? null,
  }
}

function givenView(tool: GivenTool) {
  if (tool.type === 'function') return toolView(toTool(tool, tool.name))
  const { type, name, description, tools } = tool
  return {
    type,
    name,
    description: description ?? '',
    tools: tools.map((inner) => toolView(toTool(inner, inner.name))),
  }
}

function isNarrowed(choice: Tooling['tool_choice']) {
  return typeof choice === 'object' && choice?.type === 'allowed_tools'
}

function allowedIn(choice: Tooling['tool_choice']) {
  return typeof choice === 'object' && choice?.type === 'allowed_tools' ? choice.tools : []
}

interface Flattened {
  tool: FunctionTool
  /** Where it stands in `tools`. */
  path: PropertyKey[]
}

/** Models know of no namespaces: a function has that of its own in its name where another one is called the same. */
function flattened(tools: GivenTool[]): Flattened[] {
  const named = tools.flatMap((tool) => (tool.type === 'function' ? [tool] : tool.tools))
  const count = (name: string) => named.filter((tool) => tool.name === name).length
  return tools.flatMap((tool, index): Flattened[] => {
    if (tool.type === 'function') return [{ tool: toTool(tool, tool.name), path: [index] }]
    return tool.tools.map((inner, place) => {
      const name = count(inner.name) === 1 ? inner.name : `${tool.name}__${inner.name}`
      const called = { name: inner.name, namespace: tool.name }
      return { tool: { ...toTool(inner, name), called }, path: [index, 'tools', place] }
    })
  })
}

function toTool({ description, parameters, strict }: GivenFunction, name: string): FunctionTool {
  return {
    name,
    ...(typeof description === 'string' && { description }),
    ...(parameters && { parameters }),
    ...(typeof strict === 'boolean' && { strict }),
  }
}
