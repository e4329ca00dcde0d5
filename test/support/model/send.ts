import { setImmediate as turn } from 'node:timers/promises'
import type { EventReader, Json } from '../client.ts'
import { isAway, type Target } from '../crash/target.ts'
import { Divergence } from './explain.ts'
import type { Operation } from './rules.ts'

/** Who is not answered for so long has met a server that hangs. */
export const longestMs = 30_000

export interface Told {
  status: number
  body: Json
  /** An earlier try was not answered: it may have been done. */
  isRepeated: boolean
  /** Where it was answered with a stream: what follows on it. */
  stream?: EventReader
}

interface Request {
  method: string
  path: string
  body?: object
  key?: string
  stream?: boolean
}

/** The request of an operation; under its key it is done once, however often it is sent. */
export function requestOf(
  interactionId: string,
  operation: Operation,
  key: string,
  stream: boolean,
): Request {
  const { kind } = operation
  switch (kind) {
    case 'post': {
      const { content, role, model, parent, onBusy } = operation
      const isAnswered = role === 'Human'
      const body = {
        content,
        role,
        ...(isAnswered && asked({ model, onBusy, stream })),
        ...(parent !== undefined && { parent_id: parent }),
      }
      return {
        method: 'POST',
        path: `/v1/interactions/${interactionId}/messages`,
        body,
        key,
        stream: stream && isAnswered,
      }
    }
    case 'regenerate':
      return {
        method: 'POST',
        path: `/v1/messages/${operation.id}/regenerate`,
        body: asked({ ...operation, stream }),
        key,
        stream,
      }
    case 'edit': {
      const body = { content: operation.content, ...asked({ ...operation, stream: false }) }
      return { method: 'POST', path: `/v1/messages/${operation.id}/edit`, body, key }
    }
    case 'cancel':
      return { method: 'POST', path: `/v1/messages/${operation.id}/cancel`, key }
    case 'delete':
      return { method: 'DELETE', path: `/v1/messages/${operation.id}` }
    case 'correct':
      return {
        method: 'PATCH',
        path: `/v1/messages/${operation.id}`,
        body: { content: operation.content },
      }
    case 'change over':
      return {
        method: 'PATCH',
        path: `/v1/interactions/${interactionId}`,
        body: { branch: operation.branch },
      }
    case 'fork':
      return {
        method: 'POST',
        path: `/v1/interactions/${interactionId}/fork`,
        body: operation.id === undefined ? {} : { message_id: operation.id },
        key,
      }
  }
}

function asked({ model, onBusy, stream }: { model: string; onBusy?: string | undefined; stream: boolean }) {
  return { model: `openai/${model}`, ...(onBusy && { on_busy: onBusy }), ...(stream && { stream }) }
}

/** Sends a request again and again, through all deaths of the server, until it is answered. */
export async function insist(target: Target, request: Request): Promise<Told> {
  const { method, path } = request
  const isOver = AbortSignal.timeout(longestMs)
  const late = new Promise<never>((_, reject) =>
    isOver.addEventListener('abort', () => {
      reject(new Divergence(`no answer to ${method} ${path} within ${longestMs} ms`))
    }),
  )
  const answered = async (): Promise<Told> => {
    for (let isRepeated = false; !isOver.aborted; isRepeated = true) {
      const told = await send(target, request).catch(() => undefined)
      if (told && !isAway(told.status)) return { ...told, isRepeated }
      await target.whenUp()
      // In which the end of a process can be heard.
      await turn()
    }
    return late
  }
  return Promise.race([answered(), late])
}

async function send(target: Target, { method, path, body, key, stream }: Request) {
  const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key }
  if (!stream) return target.request(method, path, body, headers)
  const reader = await target.open(path, {
    method,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (reader.status >= 300) return { status: reader.status, body: {} }
  const { value: first } = await reader.events.next()
  if (first?.type !== 'message.created') return undefined
  return { status: reader.status, body: first.data, stream: reader }
}

/** All items of a list. */
export async function listAll(target: Target, path: string): Promise<Json[] | undefined> {
  const items: Json[] = []
  for (let after = ''; ;) {
    const { status, body } = await insist(target, { method: 'GET', path: `${path}limit=100${after}` })
    if (status === 404) return undefined
    if (status !== 200) throw new Divergence(`GET ${path} was answered with ${status}`)
    items.push(...body.data)
    if (!body.has_more) return items
    after = `&after=${body.next}`
  }
}
