import type { Json } from '../client.ts'
import {
  apply,
  type Conversation,
  endOldest,
  type Made,
  mayRun,
  type Message,
  type NewIds,
  openIn,
  type Operation,
  parentOf,
  Refusal,
  wayOf,
} from './rules.ts'

/** An operation, and how it was answered. */
export interface Step {
  operation: Operation
  told: { status: number; body: Json }
}

/** What is there after it. */
export interface Seen {
  /** The messages of the current branch. */
  current: Json[]
  /** Others, by id; undefined for what is not there. */
  others: Map<string, Json>
}

/** The server did what the rules do not allow. */
export class Divergence extends Error {}

/**
 * The conversation after `steps`, as the rules have it. Answers end when they like: before each step any number of
 * those that may run can have ended, the oldest first. Each number is tried, until one explains what was told and
 * what is seen. Throws a Divergence where none does.
 */
export function explain(before: Conversation, steps: Step[], seen: Seen): Conversation {
  const reasons = new Set<string>()
  for (const history of histories(before, steps)) {
    const reason = typeof history === 'string' ? history : unlike(history, seen)
    if (reason === undefined && typeof history !== 'string') return learn(history, seen)
    if (reason !== undefined) reasons.add(reason)
  }
  throw new Divergence([...reasons].slice(0, 4).join('\n  or: '))
}

/** The ways it may have gone, and why others are none. */
function* histories(before: Conversation, steps: Step[]): Generator<Conversation | string> {
  const [step, ...rest] = steps
  if (!step) return yield before
  const state = structuredClone(before)
  do {
    const after = structuredClone(state)
    const reason = unlikeTold(after, step)
    if (reason !== undefined) yield reason
    else if (step.told.status >= 400) yield* histories(state, rest)
    else yield* histories(after, rest)
  } while (endOldest(state))
}

/** Applies the step; says how its answer is not what the rules expect. */
function unlikeTold(after: Conversation, { operation, told }: Step): string | undefined {
  const { status, body } = told
  try {
    const made = apply(after, operation, idsIn(told))
    if (status >= 300) return `expected success, was told ${status} ${body.code ?? ''}`
    return body?.isLost ? undefined : unlikeMade(after, made, body)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (status === error.status && (body.code ?? error.code) === error.code) return undefined
    return `expected ${error.message}, was told ${status} ${body.code ?? ''}`
  }
}

function unlikeMade(after: Conversation, { message, reply }: Made, body: Json): string | undefined {
  if (message && reply === undefined) return unlikeMessage(after, message, body)
  if (reply === null && body.reply !== null) return 'expected no reply'
  return (
    (message && unlikeMessage(after, message, body.message)) ??
    (reply ? unlikeMessage(after, reply, body.reply) : undefined)
  )
}

export function idsIn({ body }: Step['told']): NewIds {
  return { said: body?.message?.id ?? 'none', reply: body?.reply?.id ?? 'none' }
}

function unlike(conversation: Conversation, { current, others }: Seen): string | undefined {
  const reason = unlikeWay(conversation, conversation.currentBranch, current)
  if (reason !== undefined) return reason
  for (const [id, json] of others) {
    const message = conversation.messages.find((one) => one.id === id)
    if (!message && json) return `expected ${id} to be gone, is ${show(json)}`
    const difference = message && unlikeMessage(conversation, message, json)
    if (difference !== undefined) return difference
  }
  return undefined
}

/** How the messages of a branch are not as they should be. */
export function unlikeWay(conversation: Conversation, branch: number, seen: Json[]): string | undefined {
  const way = wayOf(conversation, branch)
  const [expected, ids] = [way.map(({ id }) => id), seen.map(({ id }) => id)]
  if (expected.join() !== ids.join()) {
    return `branch ${branch}, expected:${list(way.map((one) => expectation(conversation, one)))}\n  is:${list(seen.map(show))}`
  }
  for (const [index, message] of way.entries()) {
    const difference = unlikeMessage(conversation, message, seen[index])
    if (difference !== undefined) return difference
  }
  return undefined
}

function unlikeMessage(conversation: Conversation, message: Message, seen: Json): string | undefined {
  const isLike =
    seen &&
    seen.id === message.id &&
    seen.position === message.position &&
    seen.branch === message.branch &&
    seen.role === message.role &&
    seen.parent_id === (parentOf(conversation, message)?.id ?? null) &&
    seen.model === (message.model ? `openai/${message.model}` : null) &&
    isAlong(conversation, message, seen)
  return isLike ? undefined : `expected ${expectation(conversation, message)}, is ${show(seen)}`
}

/** Whether it says what it should, as far as it has come. */
function isAlong(conversation: Conversation, message: Message, seen: Json): boolean {
  const { status, texts } = message
  if (status !== 'open') return seen.status === status && texts.has(seen.text)
  const mayBegin = mayRun(conversation, message)
  if (seen.status === 'completed') return mayBegin && message.model === 'echo' && texts.has(seen.text)
  return seen.text === '' && (seen.status === 'queued' || (mayBegin && seen.status === 'in_progress'))
}

/** What was seen to have ended has ended, and so have those before it; what it said is certain from now on. */
function learn(conversation: Conversation, { current, others }: Seen): Conversation {
  const all = [...current, ...[...others.values()].filter((json) => json !== undefined)]
  const ended = new Map<string, Json>(
    all
      .filter(({ status }) => status === 'completed' || status === 'cancelled')
      .map((json) => [json.id, json]),
  )
  while (openIn(conversation).some(({ id }) => ended.has(id)) && endOldest(conversation));
  for (const message of conversation.messages) {
    if (ended.has(message.id)) message.texts = new Set([ended.get(message.id).text])
  }
  return conversation
}

/** Whether more is to be learnt of it. */
export function isUncertain({ status, texts }: Message): boolean {
  return status === 'open' || texts.size > 1
}

function expectation(conversation: Conversation, message: Message): string {
  const { id, position, branch, role, status, texts } = message
  const parent = parentOf(conversation, message)?.id ?? null
  return `${position}/${branch} ${id} behind ${parent} ${role} ${status} ${[...texts].map((text) => `"${text}"`).join(' or ')}`
}

export function show(seen: Json): string {
  if (!seen) return 'gone'
  const { id, position, branch, parent_id: parent, role, status, text } = seen
  return `${position}/${branch} ${id} behind ${parent} ${role} ${status} "${text}"`
}

function list(lines: string[]): string {
  return lines.map((line) => `\n    ${line}`).join('')
}
