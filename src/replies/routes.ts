import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { problemAnswers, storingProblems, uuidParams } from '../http/answers.ts'
import type { Streams } from '../http/streams.ts'
import { invalid } from '../http/validation.ts'
import { messageView } from '../messages/schemas.ts'
import { toFrames, unnumberedFrame } from './frames.ts'
import type { Posted, Replies } from './replies.ts'
import { eventsHeaders, eventsQuery, messageInput, postedSchema } from './schemas.ts'

/** Posting a message, and following its answer. */
export function replyRoutes(app: FastifyInstance, parts: { replies: Replies; streams: Streams }) {
  const { replies, streams } = parts
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
        body: messageInput,
        response: {
          201: {
            description: 'It is stored.',
            content: {
              'application/json': { schema: postedSchema },
              'text/event-stream': { schema: z.string() },
            },
          },
          ...storingProblems('not_found', 'unknown_model', 'server_busy', 'server_stopping'),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { content, role, model, stream, wait_ms: waitMs, metadata } = request.body
      const wantsReply = role === 'Human'
      if (stream && !wantsReply) throw streamWithoutReply()
      if (stream) streams.mayOpen()
      const posted = await replies.post(ownerId, request.params.id, {
        content,
        role,
        model,
        metadata,
        wantsReply,
      })
      if (stream && posted.reply) {
        const { id } = posted.reply
        return streams.send(reply, (signal) => begunWith(posted, replies.events(id, 0, signal)), 201)
      }
      const waited = waitMs > 0 ? await waitFor(posted, ownerId, waitMs, reply.raw) : posted
      return reply
        .status(201)
        .header('location', `/v1/messages/${waited.message.id}`)
        .send(postedView(waited))
    },
  )

  async function waitFor(posted: Posted, ownerId: string, waitMs: number, raw: NodeJS.EventEmitter) {
    if (!posted.reply) return posted
    const gone = new AbortController()
    raw.once('close', () => gone.abort())
    return { ...posted, reply: await replies.waitForEnd(ownerId, posted.reply.id, waitMs, gone.signal) }
  }

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
    { in: 'body', field: 'stream', message: 'is only for what a Human says: nothing answers the rest' },
  ])
}

async function* begunWith(posted: Posted, events: ReturnType<Replies['events']>): AsyncGenerator<string> {
  yield unnumberedFrame('message.created', postedView(posted))
  yield* toFrames(events)
}

function postedView({ message, reply }: Posted): z.infer<typeof postedSchema> {
  return { message: messageView(message), reply: reply && messageView(reply) }
}
