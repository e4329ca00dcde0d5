import cors from '@fastify/cors'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
  type RawRequestDefaultExpression,
} from 'fastify'
import type { Config } from '../config.ts'
import { ParleyError } from '../errors.ts'
import { requestIds } from '../ids.ts'
import { readJsonBodies } from './json-body.ts'
import { watchPaths } from './paths.ts'
import { sendProblem } from './problem.ts'
import { sendInShapeOf, splitQuery } from './refusal-shapes.ts'
import { explainRefusal } from './refusals.ts'
import { securityHeaders } from './security-headers.ts'
import { answerUnknownPaths } from './unknown-paths.ts'
import { createUnreadableRefusal } from './unreadable.ts'
import { validatorCompiler } from './validation.ts'
import { mayUpgrade } from './web-sockets.ts'

const maxHeaderBytes = 16 * 1024
const maxParamChars = 200
/** Nothing else gets into a log or a header. */
const passedOnId = /^[\w-]{8,64}$/

/** A Fastify server with its limits and its manners, and no route yet. */
export async function createServer(
  config: Pick<Config, 'bodyLimitBytes' | 'corsOrigins' | 'trustProxy'>,
  log: FastifyBaseLogger,
): Promise<FastifyInstance> {
  const newRequestId = requestIds()
  const headers = securityHeaders()
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: config.trustProxy === 'on' ? (request) => passedOn(request) ?? newRequestId() : newRequestId,
    requestIdHeader: false,
    bodyLimit: config.bodyLimitBytes,
    trustProxy: config.trustProxy === 'on',
    exposeHeadRoutes: false,
    // A request that dribbles in holds a connection no longer than this.
    requestTimeout: 60_000,
    // Longer than the usual load balancer keeps its own, so that it never meets a closed one.
    keepAliveTimeout: 75_000,
    http: { maxHeaderSize: maxHeaderBytes, headersTimeout: 20_000, shouldUpgradeCallback: mayUpgrade },
    routerOptions: { maxParamLength: maxParamChars },
    forceCloseConnections: 'idle',
    // What the router refuses has met no hook.
    frameworkErrors: (error, request, reply) =>
      sendInShapeOf(
        splitQuery(request.url)[0],
        reply.headers(headers).header('x-request-id', request.id),
        toRefusal(error, request),
      ),
    clientErrorHandler: createUnreadableRefusal(log, newRequestId),
  })
  const paths = watchPaths(app)
  app.setValidatorCompiler(validatorCompiler)
  // Types check what routes send; their schemas are for the reference.
  app.setSerializerCompiler(() => JSON.stringify)
  readJsonBodies(app)
  logRequests(app)
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(headers).header('x-request-id', request.id)
    done()
  })
  if (config.corsOrigins.length > 0) await allowOrigins(app, config.corsOrigins)
  app.setErrorHandler((error, request, reply) => sendProblem(reply, toRefusal(error, request)))
  answerUnknownPaths(app, paths)
  return app
}

/** The id under which a proxy has logged a request already. */
function passedOn({ headers }: RawRequestDefaultExpression): string | undefined {
  const id = headers['x-request-id']
  return typeof id === 'string' && passedOnId.test(id) ? id : undefined
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
    exposedHeaders: [
      'x-request-id',
      'location',
      'retry-after',
      'idempotent-replayed',
      'x-should-retry',
      'x-parley-interaction',
      'x-parley-reply',
      'x-parley-events',
      'x-parley-response',
    ],
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
