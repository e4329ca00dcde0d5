import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { ErrorCode, ParleyError } from '../errors.ts'

/** The status of every error code, and its title. Only here does an error meet HTTP. */
const problems: Record<ErrorCode, { status: number; title: string }> = {
  invalid_request: { status: 422, title: 'The request is not valid' },
  malformed_body: { status: 400, title: 'The body cannot be read' },
  malformed_request: { status: 400, title: 'The request cannot be read' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  unauthorized: { status: 401, title: 'Authentication is needed' },
  forbidden: { status: 403, title: 'Not allowed' },
  host_not_allowed: { status: 421, title: 'This server does not answer to that name' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  conflict: { status: 409, title: 'Conflict' },
  reply_in_progress: { status: 409, title: 'The reply is still being made' },
  removed: { status: 410, title: 'It was removed' },
  events_expired: { status: 410, title: 'The events are not kept any more' },
  body_too_large: { status: 413, title: 'The request body is too large' },
  unsupported_media_type: { status: 415, title: 'The body must be JSON' },
  interaction_busy: { status: 409, title: 'An answer is still being made' },
  previous_response_not_found: { status: 400, title: 'The response to follow is not there' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key stands for another request' },
  unknown_model: { status: 422, title: 'Unknown model' },
  upgrade_required: { status: 426, title: 'This is for WebSockets' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal_error: { status: 500, title: 'Internal error' },
  server_busy: { status: 503, title: 'The server is busy' },
  server_stopping: { status: 503, title: 'The server is stopping' },
  storage_unavailable: { status: 503, title: 'The database is not available' },
  storage_full: { status: 507, title: 'The disk is full' },
}

export const problemContentType = 'application/problem+json; charset=utf-8'

/** RFC 9457 (Problem Details for HTTP APIs), with our code and the fields that are wrong. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'Where this kind of problem is described.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'What is wrong with this request.' }),
    code: z.enum(Object.keys(problems) as [ErrorCode, ...ErrorCode[]]),
    errors: z
      .array(
        z.object({
          in: z.enum(['body', 'query', 'path', 'header']),
          field: z.string(),
          message: z.string(),
        }),
      )
      .optional()
      .meta({ description: 'The fields that are wrong.' }),
    request_id: z.string().meta({ description: 'Stands in the log of the server.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' })

export function statusOf(code: ErrorCode): number {
  return problems[code].status
}

/** The body of a problem. */
export function problemOf(error: ParleyError, requestId: string): z.infer<typeof problemSchema> {
  const { status, title } = problems[error.code]
  return {
    type: `urn:parley:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    ...(error.fields.length > 0 && { errors: error.fields }),
    request_id: requestId,
  }
}

/** Headers that an error brings, whatever the shape of its body. */
export function errorHeaders(error: ParleyError): Record<string, string> {
  return {
    ...(error.retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)) }),
    ...(error.code === 'unauthorized' && { 'www-authenticate': 'Bearer realm="parley"' }),
  }
}

export function sendProblem(reply: FastifyReply, error: ParleyError): FastifyReply {
  return reply
    .status(statusOf(error.code))
    .headers(errorHeaders(error))
    .type(problemContentType)
    .serializer(JSON.stringify)
    .send(problemOf(error, reply.request.id))
}
