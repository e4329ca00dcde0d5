import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocket } from '@fastify/websocket'
import { ParleyError } from '../../../errors.ts'
import { openAiRefusals } from '../../../http/answers.ts'
import { jsonIn } from '../../../http/json-body.ts'
import { openAiRefusalOf, openAiStatusOf } from '../../../http/openai-error.ts'
import { toRefusal } from '../../../http/server.ts'
import type { Streams } from '../../../http/streams.ts'
import { checked } from '../../../http/validation.ts'
import type { Replies } from '../../../replies/replies.ts'
import { createMessage } from '../request.ts'
import type { Responses } from '../responses.ts'
import { createSession } from '../session.ts'

/** As Open Responses has it. */
const maxConnectionMs = 3_600_000
const pingEveryMs = 30_000
/** What a client has to have taken of what was sent, before it is sent more. */
const maxUnsentBytes = 1_000_000
const goneMs = 1_000

/** `GET /v1/responses` as a WebSocket: one response after the other, each as its events. */
export function socketRoute(
  app: FastifyInstance,
  parts: { responses: Responses; replies: Replies; streams: Streams },
) {
  const { responses, replies, streams } = parts
  app.route({
    method: 'GET',
    url: '/v1/responses',
    schema: {
      tags: ['Responses'],
      summary: 'Respond over a WebSocket',
      description:
        'Each message `response.create` is answered with the events of a response, those of one `stream_id` one ' +
        'after the other. With `generate: false` no model is asked: what was said can be gone on with. What is not ' +
        'to be stored lives as long as the connection.',
      response: openAiRefusals.reading('upgrade_required', 'forbidden', 'server_busy', 'server_stopping'),
    },
    preValidation: async () => streams.mayOpen(),
    handler: async () => {
      throw new ParleyError('upgrade_required', 'Open a WebSocket here, or POST for a response.')
    },
    wsHandler: serve,
  })

  function serve(socket: WebSocket, request: FastifyRequest): void {
    const gone = new AbortController()
    const explain = (error: unknown) => errorEvent(toRefusal(error, request))
    const session = createSession({
      ownerId: request.principal.ownerId,
      responses,
      replies,
      parse: jsonIn,
      check: (json) => checked(createMessage, json),
      send: (event) => sendTo(socket, event),
      explain,
      signal: gone.signal,
    })
    const release = streams.hold(() =>
      bye(explain(new ParleyError('server_stopping', 'The server is stopping.')), 1001),
    )
    const limit = setTimeout(() => bye(connectionLimit, 1000), maxConnectionMs)
    const heartbeat = keepAlive(socket)
    socket.on('message', (data, isBinary) => {
      const text = isBinary ? '' : Buffer.from(data as Buffer).toString()
      session.receive(text).catch((error: unknown) => {
        if (!gone.signal.aborted) request.log.warn({ err: error, req_id: request.id }, 'connection failed')
        socket.terminate()
      })
    })
    socket.once('close', () => {
      gone.abort()
      clearTimeout(limit)
      clearInterval(heartbeat)
      release()
      session.end().catch((error: unknown) => {
        request.log.warn({ err: error, req_id: request.id }, 'responses could not be removed yet')
      })
    })

    function bye(event: object, code: number): void {
      socket.send(JSON.stringify(event))
      socket.close(code)
      // One that does not close would keep the server from ending.
      setTimeout(() => socket.terminate(), goneMs).unref()
    }
  }
}

const connectionLimit = {
  type: 'error',
  status: 400,
  error: {
    type: 'invalid_request_error',
    code: 'websocket_connection_limit_reached',
    message: 'This connection was open for 60 minutes: open another one.',
    param: null,
  },
}

function errorEvent(error: ParleyError) {
  return { type: 'error', status: openAiStatusOf(error.code), ...openAiRefusalOf(error) }
}

/** Resolves at once, unless the client is slow: then, when it has taken this. */
function sendTo(socket: WebSocket, event: object): Promise<void> {
  const isSlow = socket.bufferedAmount > maxUnsentBytes
  return new Promise((resolve) => {
    // One that is gone is told nothing more, and hears of nothing that failed.
    socket.send(JSON.stringify(event), () => resolve())
    if (!isSlow) resolve()
  })
}

function keepAlive(socket: WebSocket): NodeJS.Timeout {
  let isThere = true
  socket.on('pong', () => (isThere = true))
  return setInterval(() => {
    if (!isThere) socket.terminate()
    isThere = false
    socket.ping()
  }, pingEveryMs)
}
