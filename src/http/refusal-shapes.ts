import type { FastifyReply } from 'fastify'
import type { ParleyError } from '../errors.ts'
import { sendDetail } from './detail.ts'
import { sendOpenAiError } from './openai-error.ts'
import { sendProblem } from './problem.ts'

const openAiPath = /^\/v1\/(responses|conversations|chat|embeddings|models)(\/|$)/

/** Sends what no route sends, in the shape of the door that its path belongs to. */
export function sendInShapeOf(path: string, reply: FastifyReply, error: ParleyError): FastifyReply {
  if (openAiPath.test(path)) return sendOpenAiError(reply, error)
  return /^\/v1(\/|$)/.test(path) ? sendProblem(reply, error) : sendDetail(reply, error)
}

/** Splits an address at its question mark. */
export function splitQuery(url: string): [path: string, query: string | undefined] {
  const mark = url.indexOf('?')
  return mark === -1 ? [url, undefined] : [url.slice(0, mark), url.slice(mark + 1)]
}
