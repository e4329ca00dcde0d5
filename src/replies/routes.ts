import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { problemAnswers, storingProblems, uuidParams } from '../http/answers.ts'
import type { Streams } from '../http/streams.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../idempotency/schemas.ts'
import { messageSchema, messageView } from '../messages/schemas.ts'
import { toFrames } from './frames.ts'
import type { Replies } from './replies.ts'
import { eventsHeaders, eventsQuery } from './schemas.ts'

/** Cancelling a reply, and following it. */
export function replyRoutes(
  app: FastifyInstance,
  parts: { replies: Replies; streams: Streams; idempotency: Idempotency },
) {
  const { replies, streams, idempotency } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Messages']

  routes.post(
    '/v1/messages/:id/cancel',
    {
      schema: {
        tags,
        summary: 'Cancel a reply',
        description:
          'Stops the model. What it said by then stays, and readers get `reply.cancelled`. Harmless where the ' +
          'reply has ended, or was cancelled already: it answers with the message as it is.',
        params: uuidParams,
        headers: idempotencyHeaders,
        response: { 200: messageSchema, ...storingProblems('not_found', 'idempotency_key_reused') },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { id } = request.params
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        replies.cancel(ownerId, id, (tx) => remember(tx, { message: id })),
      )
      if ('done' in once) return messageView(once.done)
      reply.header(replayedHeader, 'true')
      return messageView(await replies.find(ownerId, id))
    },
  )

  routes.get(
    '/v1/messages/:id/events',
    {
      schema: {
        tags,
        summary: 'Follow a reply',
        description:
          'An event stream (SSE) of the reply: what happened already, then what happens, until its end. Resume ' +
          'from any event with `Last-Event-ID`. 204 where the reply has ended and nothing follows that event.',
        params: uuidParams,
        querystring: eventsQuery,
        headers: eventsHeaders,
        response: {
          200: { description: 'The events.', content: { 'text/event-stream': { schema: z.string() } } },
          204: z.null().meta({ description: 'The reply has ended and there is nothing more.' }),
          ...problemAnswers('not_found', 'events_expired', 'server_busy', 'server_stopping'),
        },
      },
    },
    async ({ principal, params, query, headers }, reply) => {
      streams.mayOpen()
      const after = headers['last-event-id'] ?? query.after ?? 0
      const found = await replies.follow(principal.ownerId, params.id, after)
      if (found === 'nothing more') return reply.status(204).send(null)
      return streams.send(reply, (signal) =>
        toFrames(replies.events(params.id, after, signal, found === 'ended')),
      )
    },
  )
}
