import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { problemAnswers, storingProblems, uuidParams } from '../../http/answers.ts'
import { pageView } from '../../http/pagination.ts'
import type { Idempotency, Made } from '../../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../../idempotency/schemas.ts'
import { messageSchema, messageView } from '../../messages/schemas.ts'
import type { Replies } from '../replies.ts'
import type { Requeued } from './requeue.ts'
import { replyPage, replyView, repliesQuery, requeuedSchema, requeuedView, requeueInput } from './schemas.ts'

/** Replies as a list, and making those again that were given up. */
export function deadLetterRoutes(
  app: FastifyInstance,
  parts: { replies: Replies; idempotency: Idempotency },
) {
  const { replies, idempotency } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Replies']

  routes.get(
    '/v1/replies',
    {
      schema: {
        tags,
        summary: 'List replies, newest first',
        description:
          'With `status=failed`, those that were given up. Also those that were asked for through the API of OpenAI and are ' +
          'not stored, as long as they are there, and the copies that a fork made; neither are requeued with others.',
        querystring: repliesQuery,
        response: { 200: replyPage, ...problemAnswers() },
      },
    },
    async ({ principal, query: { status, error, model, ...request } }) =>
      pageView(await replies.list(principal.ownerId, { status, error, model }, request), replyView),
  )

  routes.post(
    '/v1/messages/:id/requeue',
    {
      schema: {
        tags,
        summary: 'Requeue a reply that failed',
        description:
          'Has a `failed` or `incomplete` reply made again, in its place: what it said is dropped, its tries are ' +
          'counted anew, and its readers get `reply.requeued`, and then the new answer. Not the copy of another one: ' +
          'regenerate that. Nor one whose question was deleted: it would answer nothing.',
        params: uuidParams,
        headers: idempotencyHeaders,
        response: {
          200: messageSchema,
          ...storingProblems(
            'not_found',
            'reply_in_progress',
            'conflict',
            'events_expired',
            'idempotency_key_reused',
            'server_busy',
          ),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { id } = request.params
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        replies.requeue(ownerId, id, (tx) => remember(tx, { message: id })),
      )
      if ('done' in once) return messageView(once.done)
      reply.header(replayedHeader, 'true')
      return messageView(await replies.find(ownerId, id))
    },
  )

  routes.post(
    '/v1/replies/requeue',
    {
      schema: {
        tags,
        summary: 'Requeue replies that failed',
        description:
          'Those of one status, `failed` unless said otherwise, oldest first. Where there are more, go on `after` ' +
          'what it answers as `next`: those that fail again meanwhile are then not met twice. Left out is what is not ' +
          'stored, what a fork has copied, and what has no events any more.',
        headers: idempotencyHeaders,
        body: requeueInput,
        response: { 200: requeuedSchema, ...storingProblems('idempotency_key_reused', 'server_busy') },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { status, error, model, ...page } = request.body
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        replies.requeueAll(ownerId, { status, error, model }, page, (tx, requeued) =>
          remember(tx, toMade(requeued)),
        ),
      )
      if ('done' in once) return requeuedView(once.done)
      reply.header(replayedHeader, 'true')
      return requeuedView(fromMade(once.repeated))
    },
  )
}

function toMade({ count, hasMore, next }: Requeued): Made {
  return { count: String(count), hasMore: hasMore ? 'true' : null, next }
}

function fromMade({ count, hasMore, next = null }: Made): Requeued {
  return { count: Number(count), hasMore: hasMore === 'true', next }
}
