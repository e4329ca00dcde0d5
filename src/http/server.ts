import cors from '@fastify/cors'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import type { Config } from '../config.ts'
import { ParleyError } from '../errors.ts'
import { requestIds } from '../ids.ts'
import { sendDetail } from './detail.ts'
import { readJsonBodies } from './json-body.ts'
import { type Paths, watchPaths } from './paths.ts'
import { sendProblem } from './problem.ts'
import { explainRefusal } from './refusals.ts'
import { securityHeaders } from './security-headers.ts'
import { validatorCompiler } from './validation.ts'

const maxHeaderBytes = 16 * 1024
const maxParamChars = 200

/** A Fastify server with its limits and its manners, and no route yet. */
export async function createServer(
  config: Pick<Config, 'bodyLimitBytes' | 'corsOrigins' | 'trustProxy'>,
  log: FastifyBaseLogger,
): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIds(),
    requestIdHeader: false,
    bodyLimit: config.bodyLimitBytes,
    trustProxy: config.trustProxy === 'on',
    exposeHeadRoutes: false,
    // A request that dribbles in holds a connection no longer than this.
    requestTimeout: 60_000,
    // Longer than the usual load balancer keeps its own, so that it never meets a closed one.
    keepAliveTimeout: 75_000,
    http: { maxHeaderSize: maxHeaderBytes, headersTimeout: 20_000 },
    routerOptions: { maxParamLength: maxParamChars },
    forceCloseConnections: 'idle',
    frameworkErrors: (error, _request, reply) =>
      sendProblem(reply, new ParleyError('malformed_body', error.message)),
    clientErrorHandler: refuseConnection,
  })
  const paths = watchPaths(app)
  app.setValidatorCompiler(validatorCompiler)
  // Types check what routes send; their schemas are for the reference.
  app.setSerializerCompiler(() => JSON.stringify)
  readJsonBodies(app)
  logRequests(app)
  const headers = securityHeaders()
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(headers).header('x-request-id', request.id)
    done()
  })
  if (config.corsOrigins.length > 0) await allowOrigins(app, config.corsOrigins)
  app.setErrorHandler((error, request, reply) => sendProblem(reply, toRefusal(error, request)))
  answerUnknownPaths(app, paths)
  return app
}

/** An expected refusal as it is; anything else is logged, once, and told as an internal error. */
export function toRefusal(error: unknown, request: FastifyRequest): ParleyError {
  const refusal = explainRefusal(error)
  if (refusal) return refusal
  request.log.error({ err: error, req_id: request.id }, 'request failed')
  return new ParleyError('internal_error', 'Something went wrong in this server.')
}

async function allowOrigins(app: FastifyInstance, origins: string[]) {
  await app.register(cors, {
    origin: origins.includes('*') ? '*' : origins,
    methods: ['GET', 'POST', 'PATCH', 'DELETE'],
    exposedHeaders: ['x-request-id', 'location', 'retry-after'],
    maxAge: 600,
  })
}

function logRequests(app: FastifyInstance) {
  app.addHook('onResponse', async (request, reply) => {
    request.log.debug(
      {
        req_id: request.id,
        method: request.method,
        // The pattern and not the path: no id of anybody's in the log of every request.
        route: request.routeOptions.url ?? 'unknown',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    )
  })
}

/**
 * Under `/v1` a problem, elsewhere the shape of the original API. A path that only misses its slash at the end,
 * or has one too many, is redirected.
 */
function answerUnknownPaths(app: FastifyInstance, paths: Paths) {
  app.setNotFoundHandler((request, reply) => {
    const [path, query] = splitQuery(request.url)
    const methods = paths.methodsOf(path)
    const other = path.endsWith('/') ? path.slice(0, -1) : `${path}/`
    if (methods.length === 0 && paths.methodsOf(other).length > 0 && !other.startsWith('//')) {
      return reply.redirect(query === undefined ? other : `${other}?${query}`, 307)
    }
    const error =
      methods.length > 0
        ? new ParleyError('method_not_allowed', 'Method Not Allowed')
        : new ParleyError('not_found', 'Not Found')
    if (methods.length > 0) void reply.header('allow', methods.join(', '))
    return path.startsWith('/v1/') ? sendProblem(reply, error) : sendDetail(reply, error)
  })
}

function splitQuery(url: string): [path: string, query: string | undefined] {
  const mark = url.indexOf('?')
  return mark === -1 ? [url, undefined] : [url.slice(0, mark), url.slice(mark + 1)]
}

/** What is not even HTTP gets a line of HTTP, and its connection is closed. */
function refuseConnection(error: Error & { code?: string }, socket: import('node:net').Socket) {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const isHeader = error.code === 'HPE_HEADER_OVERFLOW'
  const status = isHeader ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const body = JSON.stringify({
    type: `urn:parley:problem:${isHeader ? 'headers_too_large' : 'malformed_body'}`,
    title: status.slice(4),
    status: Number(status.slice(0, 3)),
    detail: isHeader
      ? `The headers are longer than ${maxHeaderBytes} bytes.`
      : 'This is not a valid HTTP request.',
    code: isHeader ? 'headers_too_large' : 'malformed_body',
  })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/problem+json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
