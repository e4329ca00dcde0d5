import type { ToolCallPart } from '../messages/content.ts'
import { calledAs, type FunctionTool } from './tools.ts'

/**
 * The calls in an answer, under ids that are each one's own: not every model has another one for every call, and one
 * that begins anew may use those again that readers were told before. `used` are not given.
 */
export function createCalls(tools: FunctionTool[] | undefined, used: ReadonlySet<string>) {
  const ids = new Set(used)
  /** Those that have begun and not ended, by the model's id for them, oldest first. */
  const open = new Map<string, ToolCallPart[]>()

  function begin(id: string, name: string): ToolCallPart {
    let own = id
    for (let count = 2; ids.has(own); count += 1) own = `${id}_${count}`
    ids.add(own)
    const call: ToolCallPart = { type: 'tool_call', call_id: own, ...calledAs(tools, name), arguments: '' }
    open.set(id, [...(open.get(id) ?? []), call])
    return call
  }

  /** The one whose arguments come with that id. */
  function current(id: string): ToolCallPart | undefined {
    return open.get(id)?.at(-1)
  }

  /** The one that ends with that id, if it has begun. */
  function end(id: string): ToolCallPart | undefined {
    return open.get(id)?.shift()
  }

  return { begin, current, end, calledAs: (name: string) => calledAs(tools, name) }
}

export type Calls = ReturnType<typeof createCalls>
