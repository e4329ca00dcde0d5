import type { FastifyReply } from 'fastify'
import type { ParleyError } from '../errors.ts'
import { errorHeaders, statusOf } from './problem.ts'

/** An error in the shape of FastAPI, which the original API answers in: `{"detail": …}`. */
export function sendDetail(
  reply: FastifyReply,
  error: ParleyError,
  detail: unknown = error.message,
): FastifyReply {
  return reply
    .status(statusOf(error.code))
    .headers(errorHeaders(error))
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send({ detail })
}
