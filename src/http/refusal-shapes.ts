import type { FastifyReply } from 'fastify'
import type { ParleyError } from '../errors.ts'
import { sendDetail } from './detail.ts'
import { sendProblem } from './problem.ts'

/** Sends what no route sends: under `/v1` as a problem, elsewhere in the shape of the original API. */
export function sendInShapeOf(path: string, reply: FastifyReply, error: ParleyError): FastifyReply {
  return /^\/v1(\/|$)/.test(path) ? sendProblem(reply, error) : sendDetail(reply, error)
}

/** Splits an address at its question mark. */
export function splitQuery(url: string): [path: string, query: string | undefined] {
  const mark = url.indexOf('?')
  return mark === -1 ? [url, undefined] : [url.slice(0, mark), url.slice(mark + 1)]
}
