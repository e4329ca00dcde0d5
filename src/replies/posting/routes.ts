import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ErrorCode } from '../../errors.ts'
import { isRemoved, notFound, unlessRemoved } from '../../errors.ts'
import { storingProblems, uuidParams } from '../../http/answers.ts'
import type { Streams } from '../../http/streams.ts'
import { invalid } from '../../http/validation.ts'
import type { Idempotency } from '../../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../../idempotency/schemas.ts'
import { isAnswered } from '../../interactions/interaction.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import { interactionSchema, interactionView } from '../../interactions/schemas.ts'
import type { Message } from '../../messages/message.ts'
import { messageView } from '../../messages/schemas.ts'
import { toFrames, unnumberedFrame } from '../frames.ts'
import type { Asking, Posted, Replies } from '../replies.ts'
import {
  editInput,
  forkInput,
  messageInput,
  optionsOf,
  postedSchema,
  regeneratedSchema,
  regenerateInput,
} from '../schemas.ts'

/** What was posted, as it is shown: what is answered, and its answer. */
interface Shown {
  message: Message
  reply: Message | null
}

type KeyedRequest = FastifyRequest & Parameters<typeof requestKeyOf>[0]

/** Saying something, and having it answered. */
export function postingRoutes(
  app: FastifyInstance,
  parts: {
    interactions: Pick<Interactions, 'find'>
    replies: Replies
    streams: Streams
    idempotency: Idempotency
  },
) {
  const { interactions, replies, streams, idempotency } = parts
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
        response: answers(postedSchema, 'It is stored.'),
      },
    },
    async (request, reply) => {
      const { content, role, parent_id: parentId, metadata, ...how } = request.body
      const wantsReply = isAnswered(role)
      if (how.stream && !wantsReply) throw streamWithoutReply()
      return answer(request, reply, how, (ownerId, asking) =>
        replies.post(ownerId, request.params.id, {
          ...asking,
          said: [{ role, content, metadata }],
          wantsReply,
          parentId,
        }),
      )
    },
  )

  routes.post(
    '/v1/messages/:id/regenerate',
    {
      schema: {
        tags,
        summary: 'Answer anew',
        description:
          'Makes another answer to what this reply answered (or to this message, where a client said it), asked for ' +
          'as the first one was, tools and format included, unless something else is said here; not by its list of ' +
          'models. The one that is there stays: the new one begins a branch, which becomes the current one.',
        params: uuidParams,
        headers: idempotencyHeaders,
        body: regenerateInput,
        response: answers(regeneratedSchema, 'The answer is asked for.'),
      },
    },
    async (request, reply) =>
      answer(request, reply, request.body, (ownerId, asking) =>
        replies.regenerate(ownerId, request.params.id, asking),
      ),
  )

  routes.post(
    '/v1/messages/:id/edit',
    {
      schema: {
        tags,
        summary: 'Say it otherwise',
        description:
          'Stores another message in the place of this one, and has it answered where a Human (or a Tool) said it, ' +
          'asked for as the answer right behind it was, unless something else is said here. ' +
          'Nothing is overwritten: it begins a branch, which becomes the current one. To correct a message in its ' +
          'place, `PATCH` it.',
        params: uuidParams,
        headers: idempotencyHeaders,
        body: editInput,
        response: answers(postedSchema, 'It is stored.'),
      },
    },
    async (request, reply) => {
      const { content, metadata, ...how } = request.body
      return answer(request, reply, how, (ownerId, asking) =>
        replies.edit(ownerId, request.params.id, {
          ...asking,
          content,
          metadata,
          mustBeAnswered: how.stream,
        }),
      )
    },
  )

  routes.post(
    '/v1/interactions/:id/fork',
    {
      schema: {
        tags: ['Interactions'],
        summary: 'Begin a new interaction as this one began',
        description:
          'It has the same settings, and copies of the messages up to `message_id` along their branch. What is said ' +
          'in one of them afterwards is not seen in the other.',
        params: uuidParams,
        headers: idempotencyHeaders,
        body: forkInput,
        response: {
          201: interactionSchema,
          ...storingProblems(
            'not_found',
            'reply_in_progress',
            'conflict',
            'removed',
            'idempotency_key_reused',
          ),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { message_id: messageId, title } = request.body
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ check, remember }) =>
        replies.fork(ownerId, request.params.id, {
          messageId,
          title,
          before: check,
          also: (tx, { id }) => remember(tx, { interaction: id }),
        }),
      )
      const forked =
        'done' in once
          ? once.done
          : await unlessRemoved(interactions.find(ownerId, once.repeated['interaction'] ?? ''))
      if ('repeated' in once) reply.header(replayedHeader, 'true')
      return reply
        .status(201)
        .header('location', `/v1/interactions/${forked.id}`)
        .send(interactionView(forked))
    },
  )

  /** Does `post` once, and answers with what it made: as it is, when it has ended, or as it comes. */
  async function answer(
    request: KeyedRequest,
    reply: FastifyReply,
    how: z.infer<typeof regenerateInput>,
    post: (ownerId: string, asking: Asking) => Promise<Posted>,
  ) {
    const { ownerId } = request.principal
    const { model, on_busy: onBusy, stream, wait_ms: waitMs } = how
    const once = await idempotency.once(
      requestKeyOf(request, ownerId),
      async ({ remember }) => {
        if (stream) streams.mayOpen()
        return post(ownerId, {
          model,
          options: optionsOf(how),
          onBusy,
          also: (tx, { said: [message], reply: made }) =>
            remember(tx, {
              ...(message ? { message: message.id } : { answered: made?.parentId ?? null }),
              reply: made?.id ?? null,
            }),
        })
      },
      (made) => replies.justMade(ownerId, made['reply'] ?? made['message']),
    )
    const posted = 'done' in once ? once.done : await unlessRemoved(replies.posted(ownerId, once.repeated))
    const shown = shownOf(posted)
    if ('repeated' in once) {
      reply.header(replayedHeader, 'true')
      if (stream) streams.mayOpen()
    }
    if (stream && shown.reply) {
      const { id } = shown.reply
      const hasEnded = 'repeated' in once && (await replies.follow(ownerId, id, 0)) === 'ended'
      const events = (signal: AbortSignal) => replies.events(id, 0, signal, hasEnded)
      return streams.send(reply, (signal) => begunWith(shown, events(signal)), 201)
    }
    const view = postedView(waitMs > 0 ? await waitFor(shown, ownerId, waitMs, reply.raw) : shown)
    const { id } = view.reply && posted.said.length === 0 ? view.reply : view.message
    return reply.status(201).header('location', `/v1/messages/${id}`).send(view)
  }

  async function waitFor(shown: Shown, ownerId: string, waitMs: number, raw: NodeJS.EventEmitter) {
    if (!shown.reply) return shown
    const gone = new AbortController()
    raw.once('close', () => gone.abort())
    try {
      return { ...shown, reply: await replies.waitForEnd(ownerId, shown.reply.id, waitMs, gone.signal) }
    } catch (error) {
      if (!isRemoved(error)) throw error
      // The answer was removed; what was said may be there.
      return { message: await unlessRemoved(replies.find(ownerId, shown.message.id)), reply: null }
    }
  }
}

function answers(schema: z.ZodType, description: string) {
  const codes: ErrorCode[] = [
    'not_found',
    'conflict',
    'removed',
    'interaction_busy',
    'unknown_model',
    'idempotency_key_reused',
    'server_busy',
    'server_stopping',
  ]
  const content = { 'application/json': { schema }, 'text/event-stream': { schema: z.string() } }
  return { 201: { description, content }, ...storingProblems(...codes) }
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

async function* begunWith(shown: Shown, events: ReturnType<Replies['events']>): AsyncGenerator<string> {
  yield unnumberedFrame('message.created', postedView(shown))
  yield* toFrames(events)
}

/** What was said, or what the answer is made anew for, and the answer. */
function shownOf({ said: [message], answered = message, reply }: Posted): Shown {
  if (!answered) throw notFound('Message')
  return { message: answered, reply }
}

function postedView({ message, reply }: Shown): z.infer<typeof postedSchema> {
  return { message: messageView(message), reply: reply && messageView(reply) }
}
