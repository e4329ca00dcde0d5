import { newId } from '../../ids.ts'

/** A piece of a call of a tool, as endpoints send it. */
export interface ToolCallDelta {
  index?: number | null
  id?: string | null
  function?: { name?: string | null; arguments?: string | object | null } | null
}

/** A call, as far as it has come. */
export interface ToolCall {
  /** What no other call of the answer has. */
  id: string
  /** What the endpoint calls it. */
  givenId: string
  name: string
  input: string
  /** Whether its beginning was told: that waits for the name. */
  isTold: boolean
}

/**
 * Gathers the calls of an answer. OpenAI gives each an index, and its first piece an id and the name. Others repeat
 * the index or leave it out (Gemini's endpoint, proxies), give two calls the same id, or each piece another one (old
 * versions of vLLM): what begins a call is its name.
 */
export function createToolCalls() {
  const calls: ToolCall[] = []
  /** The newest at each index; where there is none, the place in the chunk stands for it. */
  const newest = new Map<number, ToolCall>()

  /** Takes what a chunk says of calls: of which one each piece is, and the arguments that are new. */
  function take(deltas: ToolCallDelta[]): Array<{ call: ToolCall; more: string }> {
    return deltas.map((delta, place) => {
      const more = argumentsIn(delta)
      const known = callOf(delta, place, deltas.length === 1)
      if (known && isRepeated(delta, known, more)) return { call: known, more: '' }
      const call = known && !beginsAnother(delta, known) ? known : begin(delta, place)
      call.givenId ||= delta.id ?? ''
      call.name ||= nameIn(delta)
      call.input += more
      return { call, more }
    })
  }

  function callOf(delta: ToolCallDelta, place: number, isAlone: boolean): ToolCall | undefined {
    if (typeof delta.index === 'number') return newest.get(delta.index)
    const same = delta.id ? calls.findLast(({ givenId }) => givenId === delta.id) : undefined
    if (same) return same
    return isAlone && nameIn(delta) === '' ? calls.at(-1) : newest.get(place)
  }

  function begin({ index, id }: ToolCallDelta, place: number): ToolCall {
    const isFree = id && !calls.some((call) => call.id === id)
    // Where the endpoint gives none of its own, one that no other call of the conversation has.
    const ownId = isFree ? id : `call_${newId().replaceAll('-', '')}`
    const call = { id: ownId, givenId: id ?? '', name: '', input: '', isTold: false }
    calls.push(call)
    newest.set(index ?? place, call)
    return call
  }

  return { calls, take }
}

/** What is given, as far as it is calls: an id or a name that is no text says nothing. */
export function callsIn(given: unknown): ToolCallDelta[] {
  if (!Array.isArray(given)) return []
  const calls = given.filter((call: unknown) => typeof call === 'object' && call !== null) as ToolCallDelta[]
  return calls.map(({ id, function: called, ...rest }) => ({
    ...rest,
    id: textIn(id),
    function: { ...called, name: textIn(called?.name) },
  }))
}

function textIn(given: unknown): string {
  return typeof given === 'string' ? given : ''
}

/** Whether it says once more what was said, as the last piece of some proxies does. */
function isRepeated(delta: ToolCallDelta, call: ToolCall, more: string): boolean {
  if (nameIn(delta) !== call.name || !isWhole(call)) return false
  if (delta.id && delta.id !== call.givenId) return false
  return more === '' || (Boolean(delta.id) && more === call.input)
}

function beginsAnother(delta: ToolCallDelta, call: ToolCall): boolean {
  const name = nameIn(delta)
  if (name === '' || call.name === '') return false
  if (delta.id && call.givenId && delta.id !== call.givenId) return true
  return isWhole(call) || (call.input === '' && name !== call.name)
}

function isWhole({ input }: ToolCall): boolean {
  return input.trimEnd().endsWith('}') && isJson(input)
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function nameIn(delta: ToolCallDelta): string {
  return delta.function?.name ?? ''
}

/** Some endpoints send them as an object, in one piece. */
function argumentsIn({ function: called }: ToolCallDelta): string {
  const given = called?.arguments ?? ''
  return typeof given === 'string' ? given : JSON.stringify(given)
}
