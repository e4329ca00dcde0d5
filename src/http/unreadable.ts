import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { type ErrorCode, ParleyError } from '../errors.ts'
import { problemContentType, problemOf } from './problem.ts'

const codes: Record<string, { code: ErrorCode; detail: string }> = {
  HPE_HEADER_OVERFLOW: { code: 'headers_too_large', detail: 'The headers are too long.' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'request_timeout', detail: 'The request took too long to arrive.' },
}
const notHttp = { code: 'malformed_request', detail: 'This is not a valid HTTP request.' } as const

/** What is not even HTTP gets a line of HTTP, and its connection is closed. */
export function createUnreadableRefusal(log: FastifyBaseLogger, newRequestId: () => string) {
  return function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const { code, detail } = codes[error.code ?? ''] ?? notHttp
    const requestId = newRequestId()
    log.debug({ req_id: requestId, code }, 'no request')
    const problem = problemOf(new ParleyError(code, detail), requestId)
    const body = JSON.stringify(problem)
    socket.end(
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${problemContentType}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${requestId}\r\nconnection: close\r\n\r\n${body}`,
    )
  }
}
