import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { notFound } from '../errors.ts'
import { problemAnswers, storingProblems, uuidParams } from '../http/answers.ts'
import type { Streams } from '../http/streams.ts'
import { invalid } from '../http/validation.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../idempotency/schemas.ts'
import { messageSchema, messageView } from '../messages/schemas.ts'
import { toFrames, unnumberedFrame } from './frames.ts'
import type { Posted, Replies } from './replies.ts'
import {
  answeredRoles,
  eventsHeaders,
  eventsQuery,
  messageInput,
  optionsOf,
  postedSchema,
} from './schemas.ts'

/** Posting a message, and following its answer. */
export function replyRoutes(
  app: FastifyInstance,
  parts: { replies: Replies; streams: Streams; idempotency: Idempotency },
) {
  const { replies, streams, idempotency } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Messages']

  routes.post(
    '/v1/interactions/:id/messages',
    {
      schema: {
        tags,
        summary: 'Post a message; a model answers it',
        description:
          'Answers 201 as soon as the message is durable. With `stream: true` the answer is an event stream ' +
          'of the reply, after one frame `message.created` with what is otherwise the body.',
        params: uuidParams,
        headers: idempotencyHeaders,
        body: messageInput,
        response: {
          201: {
            description: 'It is stored.',
            content: {
              'application/json': { schema: postedSchema },
              'text/event-stream': { schema: z.string() },
            },
          },
          ...storingProblems(
            'not_found',
            'interaction_busy',
            'unknown_model',
            'idempotency_key_reused',
            'server_busy',
            'server_stopping',
          ),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { content, role, model, on_busy: onBusy, stream, wait_ms: waitMs, metadata } = request.body
      const wantsReply = answeredRoles.has(role)
      if (stream && !wantsReply) throw streamWithoutReply()
      const once = await idempotency.once(requestKeyOf(request, ownerId), async ({ check, remember }) => {
        if (stream) streams.mayOpen()
        return replies.post(ownerId, request.params.id, {
          said: [{ role, content, metadata }],
          wantsReply,
          model,
          options: optionsOf(request.body),
          onBusy,
          before: check,
          also: (tx, made) =>
            remember(tx, { message: made.said[0]?.id ?? null, reply: made.reply?.id ?? null }),
        })
      })
      const posted = 'done' in once ? once.done : await replies.posted(ownerId, once.repeated)
      if ('repeated' in once) {
        reply.header(replayedHeader, 'true')
        if (stream) streams.mayOpen()
      }
      if (stream && posted.reply) {
        const { id } = posted.reply
        const hasEnded = 'repeated' in once && (await replies.follow(ownerId, id, 0)) === 'ended'
        const events = (signal: AbortSignal) => replies.events(id, 0, signal, hasEnded)
        return streams.send(reply, (signal) => begunWith(posted, events(signal)), 201)
      }
      const waited = waitMs > 0 ? await waitFor(posted, ownerId, waitMs, reply.raw) : posted
      const view = postedView(waited)
      return reply.status(201).header('location', `/v1/messages/${view.message.id}`).send(view)
    },
  )

  async function waitFor(posted: Posted, ownerId: string, waitMs: number, raw: NodeJS.EventEmitter) {
    if (!posted.reply) return posted
    const gone = new AbortController()
    raw.once('close', () => gone.abort())
    return { ...posted, reply: await replies.waitForEnd(ownerId, posted.reply.id, waitMs, gone.signal) }
  }

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

function streamWithoutReply() {
  return invalid([
    {
      in: 'body',
      field: 'stream',
      message: 'is only for what a Human or a Tool says: nothing answers the rest',
    },
  ])
}

async function* begunWith(posted: Posted, events: ReturnType<Replies['events']>): AsyncGenerator<string> {
  yield unnumberedFrame('message.created', postedView(posted))
  yield* toFrames(events)
}

function postedView({ said: [message], reply }: Posted): z.infer<typeof postedSchema> {
  if (!message) throw notFound('Message')
  return { message: messageView(message), reply: reply && messageView(reply) }
}
