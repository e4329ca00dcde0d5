import type { Json } from '../client.ts'
import type { Readers } from '../crash/readers.ts'
import type { Target } from '../crash/target.ts'
import { Divergence, explain, idsIn, isUncertain, type Seen, type Step } from './explain.ts'
import {
  apply,
  begin,
  type Conversation,
  mayRun,
  type Message,
  type OnBusy,
  openIn,
  type Operation,
  type Post,
} from './rules.ts'
import { insist, listAll, longestMs, requestOf, type Told } from './send.ts'

/** A conversation with the server, and what the rules make of it. */
export interface Talk {
  id: string
  state: Conversation
  /** What was done last, for who looks for the cause of a divergence. */
  recent: string[]
}

/** How many of the last steps a divergence shows. */
const maxRecent = 8

/** Does moves at the server and by the rules, and compares after each. Rejects with a Divergence. */
export function createTalks(target: Target, readers: Pick<Readers, 'follow'>) {
  let keys = 0

  async function start(onBusy: OnBusy, nextKey: string): Promise<Talk> {
    const request = { method: 'POST', path: '/v1/interactions', body: { on_busy: onBusy }, key: nextKey }
    const { status, body } = await insist(target, request)
    if (status !== 201) throw new Divergence(`no interaction, but ${status}`)
    return { id: body.id, state: begin(onBusy), recent: [] }
  }

  /** Resolves with a new conversation, where the operation made one. */
  async function operate(
    talk: Talk,
    operation: Operation,
    { twice = false, stream = false } = {},
  ): Promise<Talk | undefined> {
    const told = await (twice ? sendTwice(talk, operation) : send(talk, operation, stream))
    if (told.stream) readers.follow(told.body.reply.id, told.stream)
    if (operation.kind === 'fork' && told.status === 201) return forked(talk, operation, told)
    await compare(talk, [{ operation, told }])
    return undefined
  }

  async function send(talk: Talk, operation: Operation, stream: boolean): Promise<Told> {
    const told = await insist(target, requestOf(talk.id, operation, newKey(talk), stream))
    return wasDeleted(talk, operation, told) ? { ...told, status: 204 } : told
  }

  /** By two clients at the same time: one does it, and both are told the same. */
  async function sendTwice(talk: Talk, operation: Operation): Promise<Told> {
    const request = requestOf(talk.id, operation, newKey(talk), false)
    const both = await Promise.all([insist(target, request), insist(target, request)])
    const [done = both[0], other = both[1]] = both.toSorted((a, b) => a.status - b.status)
    if (both.some((told) => wasDeleted(talk, operation, told))) return { ...done, status: 204 }
    const isSame = done.status === other.status && idOf(done.body) === idOf(other.body)
    // What was refused is not remembered; what is deleted can't be found again.
    const isLate = other.status === (operation.kind === 'delete' ? 404 : 409)
    if (isSame || isLate) return done
    throw diverges(talk, operation, `two clients were told ${tellOf(done)} and ${tellOf(other)}`)
  }

  /** Posts of several clients at the same time: their positions tell the order. */
  async function burst(talk: Talk, posts: Post[]): Promise<void> {
    const { lastPosition } = talk.state
    const steps = await Promise.all(
      posts.map(async (operation) => ({ operation, told: await send(talk, operation, false) })),
    )
    const taken = new Set(steps.map(({ told }) => told.body?.message?.position))
    // One of the others took its place before it was told that it had been stored.
    const free = Array.from({ length: posts.length }, (_, index) => lastPosition + 1 + 2 * index).filter(
      (position) => !taken.has(position),
    )
    for (const { operation, told } of steps) {
      if (told.status !== 410 || !told.isRepeated || operation.onBusy !== 'rollback') continue
      const position = free.shift()
      told.status = 201
      told.body = {
        isLost: true,
        message: { id: unknownId(position), position },
        reply: { id: unknownId((position ?? 0) + 1) },
      }
    }
    await compare(talk, inOrder(steps))
  }

  /** Learns the ids of the copies, and compares both. */
  async function forked(talk: Talk, operation: Operation & { kind: 'fork' }, told: Told): Promise<Talk> {
    const copy: Talk = { id: told.body.id, state: begin(told.body.on_busy), recent: [`copy of ${talk.id}`] }
    const copies = (await listAll(target, `/v1/interactions/${copy.id}/messages?`)) ?? []
    await compare(talk, [{ operation, told }])
    const { forked: expected } = apply(structuredClone(talk.state), operation, idsIn(told))
    if (!expected) throw new Error('a fork without a copy')
    for (const [index, message] of expected.messages.entries()) message.id = copies[index]?.id ?? 'none'
    copy.state = expected
    await compare(copy, [])
    return copy
  }

  async function compare(talk: Talk, steps: Step[]): Promise<void> {
    for (const { operation, told } of steps) {
      talk.recent.push(`${JSON.stringify(operation)} -> ${tellOf(told)}`)
    }
    talk.recent = talk.recent.slice(-maxRecent)
    const seen = await look(talk, steps)
    try {
      talk.state = explain(talk.state, steps, seen)
    } catch (error) {
      if (!(error instanceof Divergence)) throw error
      throw diverges(talk, steps.at(-1)?.operation, error.message)
    }
  }

  /** The current branch, and of what stands elsewhere all that may have changed. */
  async function look(talk: Talk, steps: Step[]): Promise<Seen> {
    const current = await listAll(target, `/v1/interactions/${talk.id}/messages?`)
    if (!current) throw diverges(talk, steps.at(-1)?.operation, 'expected the interaction, is gone')
    const shown = new Set(current.map(({ id }) => id))
    const made = steps.flatMap(({ told: { body } }) =>
      body?.isLost ? [] : [body?.message?.id, body?.reply?.id].filter((id) => id !== undefined),
    )
    const named = steps.flatMap(({ operation }) => ('id' in operation && operation.id ? [operation.id] : []))
    const ids = new Set([...talk.state.messages.filter(isUncertain).map(({ id }) => id), ...made, ...named])
    const others = new Map<string, Json>()
    for (const id of ids) {
      if (shown.has(id)) continue
      const { status, body } = await insist(target, { method: 'GET', path: `/v1/messages/${id}` })
      others.set(id, status === 200 ? body : undefined)
    }
    return { current, others }
  }

  /** Waits until all answers have ended that come to an end by themselves. */
  async function letThemEnd(talk: Talk): Promise<void> {
    const late = AbortSignal.timeout(longestMs)
    const isRunning = (message: Message) => message.model === 'echo' && mayRun(talk.state, message)
    for (;;) {
      await compare(talk, [])
      const left = openIn(talk.state).find(isRunning)
      if (!left) return
      if (late.aborted) throw diverges(talk, undefined, `${left.id} does not end`)
      const stream = await target.open(`/v1/messages/${left.id}/events`).catch(() => undefined)
      const close = () => stream?.close()
      late.addEventListener('abort', close)
      for await (const { type } of stream?.events ?? []) if (type === 'reply.completed') break
      late.removeEventListener('abort', close)
      close()
    }
  }

  /** Ends all that is open, the oldest first. */
  async function end(talk: Talk): Promise<void> {
    for (;;) {
      await letThemEnd(talk)
      const [open] = openIn(talk.state)
      if (!open) return
      await operate(talk, { kind: 'cancel', id: open.id })
    }
  }

  /** Removes it whole: nothing of it can be found. */
  async function remove(talk: Talk): Promise<void> {
    const path = `/v1/interactions/${talk.id}`
    const { status, isRepeated } = await insist(target, { method: 'DELETE', path })
    if (status !== 204 && !(isRepeated && status === 404))
      throw diverges(talk, undefined, `DELETE -> ${status}`)
    const paths = [path, `${path}/messages`, ...talk.state.messages.map(({ id }) => `/v1/messages/${id}`)]
    for (const gone of paths) {
      const told = await insist(target, { method: 'GET', path: gone })
      if (told.status !== 404)
        throw diverges(talk, undefined, `${gone} is there after its interaction was removed`)
    }
  }

  function newKey({ id }: Talk): string {
    keys += 1
    return `${id} ${keys}`
  }

  return { start, operate, burst, letThemEnd, end, remove, diverges }
}

export type Talks = ReturnType<typeof createTalks>

/** Those that were refused behind all others: at some time between them an answer was open. */
function inOrder(steps: Array<Step & { told: Told }>): Step[] {
  const done = steps
    .filter(({ told }) => told.status < 300)
    .toSorted((a, b) => a.told.body.message.position - b.told.body.message.position)
  const refused = steps.filter(({ told }) => told.status >= 300)
  return [...done, ...refused]
}

/** Of what was removed before anybody heard of it: like the id of no message. */
function unknownId(position = 0): string {
  return `00000000-0000-7000-8000-${String(position).padStart(12, '0')}`
}

/** The try before was done, and not answered. */
function wasDeleted({ state }: Talk, operation: Operation, { status, isRepeated }: Told): boolean {
  if (operation.kind !== 'delete' || status !== 404 || !isRepeated) return false
  return state.messages.some(({ id }) => id === operation.id)
}

function idOf(body: Json): string | undefined {
  return [body?.id, body?.message?.id, body?.reply?.id].join()
}

function tellOf({ status, body }: Pick<Told, 'status' | 'body'>): string {
  const made = [body?.message, body?.reply].filter((message) => message?.id)
  const all = made.map(({ id, position, branch, status: state }) => `${position}/${branch} ${id} ${state}`)
  return [status, body?.code, ...all].filter((part) => part !== undefined).join(' ')
}

function diverges({ id, recent }: Talk, operation: Operation | undefined, reason: string): Divergence {
  const last = recent.map((line) => `\n    ${line}`).join('')
  return new Divergence(
    `${JSON.stringify(operation ?? 'nothing done')} in ${id}\n  ${reason}\n  done last:${last}`,
  )
}
