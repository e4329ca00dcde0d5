import type { FastifyReply } from 'fastify'
import type { ParleyError } from '../errors.ts'
import { errorHeaders, statusOf } from './problem.ts'

/** An error in the shape of FastAPI, which the original API answers in: `{"detail": …}`. */
export function sendDetail(reply: FastifyReply, error: ParleyError): FastifyReply {
  const status = statusOf(error.code)
  return reply
    .status(status)
    .headers(errorHeaders(error))
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send({ detail: status === 422 ? wrongFields(error) : error.message })
}

/** With 422 it is a list, always. */
function wrongFields({ fields }: ParleyError) {
  return fields.map(({ in: place, field, message }) => ({
    loc: field === '' ? [place] : [place, ...field.split('.')],
    msg: message,
    type: 'value_error',
  }))
}
