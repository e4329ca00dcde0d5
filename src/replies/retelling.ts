import type { ReplyEvent } from '../events/event.ts'
import type { ToolCallPart } from '../messages/content.ts'
import type { Kind } from './said.ts'

/** A call, as far as it was said. */
export type ToldCall = Pick<ToolCallPart, 'call_id' | 'name' | 'namespace' | 'arguments'>

/** What tells an answer piece by piece, to readers who are told nothing twice. */
export interface Telling {
  say(kind: Kind, text: string): void
  /** `thought` is a SealedThought, as JSON. */
  seal(thought: string): void
  /** `summary` is a CompactionPart without its type, as JSON. */
  sumUp(summary: string): void
  startCall(call: Omit<ToldCall, 'arguments'>): void
  addArguments(callId: string, delta: string): void
  endCall(call: ToldCall, status: 'completed' | 'incomplete'): void
  /** What was told is void: what this attempt says from now on stands in its place. */
  drop(attempt: number): void
  /** No more is told. */
  close(status: 'completed' | 'incomplete'): void
}

/** A step of what a model says. */
type Said =
  | { kind: Kind | 'seal' | 'summary'; text: string }
  | ({ kind: 'call'; step: 'started' | 'delta' | 'done' } & ToldCall)

interface Piece {
  kind: Said['kind']
  text: string
}

/**
 * Tells what the attempts at an answer say. What was told cannot be taken back: so one that begins anew is silent
 * for as long as it says what was told before, and then goes on from there. Only where it says something else are
 * the items that were told closed as incomplete, and all of it is told in new ones.
 */
export function createRetelling(telling: Telling) {
  /** What was told and is not void. A call is no text: it never comes again the same. */
  let told: Piece[] = []
  /** How far an attempt that began anew has come in what was told; undefined where it has come through. */
  let at: { piece: number; chars: number } | undefined
  let attempt = 1

  function say(said: Said): void {
    if (at) sayAgain(said, at)
    else tell(said)
  }

  function tell(said: Said): void {
    if (said.kind !== 'call') {
      const last = told.at(-1)
      if (last?.kind === said.kind && !comesWhole(said)) last.text += said.text
      else told.push({ kind: said.kind, text: said.text })
      if (said.kind === 'seal') telling.seal(said.text)
      else if (said.kind === 'summary') telling.sumUp(said.text)
      else telling.say(said.kind, said.text)
      return
    }
    const { step } = said
    if (step === 'started') {
      told.push({ kind: 'call', text: '' })
      telling.startCall(said)
    } else if (step === 'delta') telling.addArguments(said.call_id, said.arguments)
    else telling.endCall(said, 'completed')
  }

  function sayAgain(said: Said, { piece, chars }: { piece: number; chars: number }): void {
    const expected = told[piece]
    if (!expected) {
      at = undefined
      tell(said)
    } else if (expected.kind !== 'call' && said.kind !== expected.kind && chars === expected.text.length) {
      at = { piece: piece + 1, chars: 0 }
      sayAgain(said, at)
    } else if (said.kind === 'call' || said.kind !== expected.kind) {
      diverge(said)
    } else if (comesWhole(said)) {
      if (said.text === expected.text) at = { piece: piece + 1, chars: 0 }
      else diverge(said)
    } else {
      const rest = expected.text.slice(chars)
      if (rest.startsWith(said.text)) at = { piece, chars: chars + said.text.length }
      else if (said.text.startsWith(rest) && piece === told.length - 1) {
        at = undefined
        tell({ kind: said.kind, text: said.text.slice(rest.length) })
      } else diverge(said)
    }
  }

  /** It says something else. */
  function diverge(said?: Said): void {
    const again = told.slice(0, at?.piece)
    const current = told[at?.piece ?? told.length]
    if (current && at && at.chars > 0) again.push({ ...current, text: current.text.slice(0, at.chars) })
    at = undefined
    told = []
    telling.drop(attempt)
    for (const { kind, text } of again) if (kind !== 'call') tell({ kind, text })
    if (said) tell(said)
  }

  return {
    /** Tells what there is to tell of the next event of the log. */
    add({ type, data }: Pick<ReplyEvent, 'type' | 'data'>) {
      switch (type) {
        case 'text.delta':
        case 'reasoning.delta':
        case 'refusal.delta':
          say({ kind: type.slice(0, -'.delta'.length) as Kind, ...(JSON.parse(data) as { text: string }) })
          break
        case 'compaction.done':
          say({ kind: 'summary', text: data })
          break
        case 'reasoning.sealed':
          say({ kind: 'seal', text: data })
          break
        case 'tool_call.started':
        case 'tool_call.delta':
        case 'tool_call.done': {
          const step = type.slice('tool_call.'.length) as 'started'
          say({ kind: 'call', step, ...(JSON.parse(data) as ToldCall) })
          break
        }
        case 'reply.restarted':
        case 'reply.requeued':
          // The next attempt begins anew.
          attempt = (JSON.parse(data) as { attempt: number }).attempt
          if (told.length > 0) at = { piece: 0, chars: 0 }
          break
        default:
      }
    },
    /** No more is said. */
    finish(isWhole: boolean) {
      const last = told.at(-1)
      const isThrough =
        !at || at.piece >= told.length || (at.piece === told.length - 1 && at.chars === last?.text.length)
      if (!isThrough || (last?.kind === 'call' && at)) diverge()
      at = undefined
      telling.close(isWhole ? 'completed' : 'incomplete')
    },
  }
}

/** Whether it comes in one piece, and is the same or another one. */
function comesWhole({ kind }: Pick<Said, 'kind'>): boolean {
  return kind === 'seal' || kind === 'summary'
}

/**
 * The attempt at which readers of the log were told what an answer came to be; undefined where they were told nothing
 * else before it.
 */
export function toldAttemptIn(
  events: Array<Pick<ReplyEvent, 'type' | 'data'>>,
  isWhole: boolean,
): number | undefined {
  // Nearly always.
  if (!events.some(({ type }) => type === 'reply.restarted' || type === 'reply.requeued')) return undefined
  let at: number | undefined
  const nothing = () => {}
  const retelling = createRetelling({
    say: nothing,
    seal: nothing,
    sumUp: nothing,
    startCall: nothing,
    addArguments: nothing,
    endCall: nothing,
    close: nothing,
    drop: (attempt) => (at = attempt),
  })
  for (const event of events) retelling.add(event)
  retelling.finish(isWhole)
  return at
}
