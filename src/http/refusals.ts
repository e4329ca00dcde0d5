import type { FastifyError } from 'fastify'
import { ParleyError } from '../errors.ts'

/** What the server itself refuses, in our words. Undefined for a failure that nobody expected. */
export function explainRefusal(error: unknown): ParleyError | undefined {
  if (error instanceof ParleyError) return error
  const { code, statusCode, message } = error as Partial<FastifyError>
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return inBody('body_too_large', 'The body is longer than BODY_LIMIT_BYTES.')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ParleyError('unsupported_media_type', 'Send the body as application/json.', {
        fields: [{ in: 'header', field: 'content-type', message: 'must be application/json' }],
      })
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return inBody('malformed_body', 'The body is not as long as Content-Length says.')
    case 'FST_ERR_BAD_URL':
      return inPath('The path has a percent sign that encodes nothing.')
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return inPath('A part of the path is too long.')
    default:
  }
  if (statusCode === 403 || statusCode === 404) return new ParleyError('not_found', 'Not Found')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ParleyError('malformed_request', message ?? 'The request cannot be read.')
  }
  return undefined
}

function inPath(detail: string): ParleyError {
  return new ParleyError('invalid_request', detail, { fields: [{ in: 'path', field: '', message: detail }] })
}

function inBody(code: 'body_too_large' | 'malformed_body', detail: string): ParleyError {
  return new ParleyError(code, detail, { fields: [{ in: 'body', field: '', message: detail }] })
}
