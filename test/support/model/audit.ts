import { isDeepStrictEqual } from 'node:util'
import { type Json, type StreamEvent, textOf } from '../client.ts'
import { isEnd } from '../crash/readers.ts'
import type { Target } from '../crash/target.ts'
import type { Reading } from '../crash/witness.ts'
import { unlikeWay } from './explain.ts'
import { type Conversation, type Message, parentOf } from './rules.ts'
import { insist, listAll } from './send.ts'
import type { Talk } from './talk.ts'

/** The log of a reply that was made here; undefined for a copy, whose log stays with what it is a copy of. */
export type Logs = Map<string, StreamEvent[]>

/**
 * Holds a conversation in which nothing is open any more against the rules, whole: its settings, every branch with
 * parents and siblings, and the log of every reply. Resolves with what is wrong, and adds the logs to `logs`.
 */
export async function audit(target: Target, { id, state }: Talk, logs: Logs): Promise<string[]> {
  const path = `/v1/interactions/${id}`
  const get = async (of: string) => (await insist(target, { method: 'GET', path: of })).body
  const wrong: Array<string | undefined> = []
  const { branch, on_busy: onBusy } = await get(path)
  if (branch !== state.currentBranch) wrong.push(`expected branch ${state.currentBranch}, is ${branch}`)
  if (onBusy !== state.onBusy) wrong.push(`expected ${state.onBusy}, is ${onBusy}`)
  wrong.push(unlikeBranches(state, (await listAll(target, `${path}/branches?`)) ?? []))
  for (const number of state.branches.keys()) {
    const way = await listAll(target, `${path}/messages?include=siblings&branch=${number}&`)
    wrong.push(unlikeWay(state, number, way ?? []), unlikeSiblings(state, way ?? []))
  }
  for (const message of state.messages) {
    if (!message.model) continue
    const { status, body } = await insist(target, { method: 'GET', path: `/v1/messages/${message.id}` })
    if (status !== 200) {
      wrong.push(`expected ${message.id}, is ${status}`)
      continue
    }
    const stream = await target.open(`/v1/messages/${message.id}/events`)
    const log = await Array.fromAsync(stream.events)
    if (message.isCopy) {
      if (stream.status !== 410)
        wrong.push(`expected no events of the copy ${message.id}, is ${stream.status}`)
      continue
    }
    logs.set(message.id, log)
    wrong.push(unlikeLog(message, body, log))
  }
  return wrong.filter((reason) => reason !== undefined).map((reason) => `${id}: ${reason}`)
}

function unlikeBranches({ branches }: Conversation, seen: Json[]): string | undefined {
  const expected = branches.slice(1).map(({ parent, forkPosition, firstPosition }, index) => ({
    number: index + 1,
    parent,
    fork_position: forkPosition,
    first_position: firstPosition,
  }))
  const is = seen.map(({ number, parent, fork_position, first_position }) => ({
    number,
    parent,
    fork_position,
    first_position,
  }))
  if (isDeepStrictEqual(is, expected)) return undefined
  return `expected the branches ${JSON.stringify(expected)}, are ${JSON.stringify(is)}`
}

/** Whatever follows the same message; where some are gone, what it followed is not to be seen any more. */
function unlikeSiblings(state: Conversation, seen: Json[]): string | undefined {
  if (state.removed.length > 0) return undefined
  const parents = new Map(state.messages.map((message) => [message.id, parentOf(state, message)?.id]))
  for (const { id, siblings } of seen) {
    const expected = state.messages
      .filter((message) => parents.get(message.id) === parents.get(id))
      .toSorted((a, b) => a.branch - b.branch)
      .map((message) => message.id)
    const is = siblings.map((sibling: Json) => sibling.id)
    if (!isDeepStrictEqual(is, expected))
      return `expected siblings ${expected.join()} of ${id}, are ${is.join()}`
  }
  return undefined
}

/** Numbered without gaps, attempts in order, one end, and the text of its message. */
function unlikeLog({ id, isCorrected }: Message, seen: Json, log: StreamEvent[]): string | undefined {
  const told = log.map((event) => `${event.id} ${event.type}`).join(', ')
  const attempts = log.filter(({ type }) => type === 'reply.started' || type === 'reply.restarted')
  const isWell =
    log.every((event, index) => event.id === index + 1) &&
    attempts.every(({ data }, index) => data['attempt'] === index + 1) &&
    attempts.length === seen.attempt &&
    log.filter(isEnd).length === 1 &&
    log.at(-1)?.type === `reply.${seen.status}` &&
    (isCorrected || textOf(log) === seen.text)
  return isWell ? undefined : `the log of ${id}, attempt ${seen.attempt}, "${seen.text}": ${told}`
}

/** What a reader saw, over all its connections, is the log: once, in order, to its end. */
export function unlikeReading({ replyId, events, isGone }: Reading, logs: Logs): string | undefined {
  const log = logs.get(replyId)
  const isInOrder = events.every(({ id }, index) => id === index + 1)
  if (!isInOrder) return `a reader of ${replyId} saw ${events.map(({ id }) => id).join()}`
  if (!log) return undefined
  if (isGone) return `a reader was told that ${replyId} is gone`
  return isDeepStrictEqual(events, log) ? undefined : `a reader of ${replyId} saw another log than there is`
}
