import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ParleyError, removed, unlessRemoved } from '../../errors.ts'
import { openAiRefusals } from '../../http/answers.ts'
import { openAiErrorOf, sendReplyError } from '../../http/openai-error.ts'
import type { Streams } from '../../http/streams.ts'
import { invalid } from '../../http/validation.ts'
import type { Idempotency } from '../../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../../idempotency/schemas.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import type { Replies } from '../../replies/replies.ts'
import { openAiId } from '../ids.ts'
import { ask, type Asked, askedBefore } from './ask.ts'
import { createAttendance } from './attendance.ts'
import { cancelled, createChunkFold, deleted, sinceRestart } from './chunks.ts'
import { completionOf, failureOf } from './completion.ts'
import { openingOf } from './opening.ts'
import { contradictionsIn } from './request.ts'
import { chatCompletion, chatInput } from './schemas.ts'

/** Longer than any answer takes by default; by then its client has given up. */
const maxWaitMs = 3_600_000
/** How long a stream waits for a first piece before it begins: a failure until then has a status. */
const openingMs = 5_000

const frameOf = (body: object) => `data: ${JSON.stringify(body)}\n\n`
const stopping = { code: 'server_stopping', message: 'The server is stopping.' } as const
const farewell = `${frameOf(openAiErrorOf(stopping))}data: [DONE]\n\n`

/** `POST /v1/chat/completions`: a new interaction with all that was said, and the answer to it. */
export function chatRoutes(
  app: FastifyInstance,
  parts: { interactions: Interactions; replies: Replies; streams: Streams; idempotency: Idempotency },
) {
  const { interactions, replies, streams, idempotency } = parts
  const attendance = createAttendance({ replies, interactions, log: app.log })
  const routes = app.withTypeProvider<ZodTypeProvider>()
  app.addHook('preClose', (done) => {
    attendance.stop()
    done()
  })

  routes.post(
    '/v1/chat/completions',
    {
      schema: {
        tags: ['Chat completions'],
        summary: 'Answer a conversation that the client keeps',
        description:
          'With `stream: true` an event stream of chunks, then `[DONE]`. Without `store: true` the completion is ' +
          'not listed, goes a quarter of an hour later, and is cancelled when its client leaves.',
        headers: idempotencyHeaders,
        body: chatInput,
        response: {
          200: {
            description: 'The answer.',
            content: {
              'application/json': { schema: chatCompletion },
              'text/event-stream': { schema: z.string() },
            },
          },
          ...openAiRefusals.answering(
            'conflict',
            'removed',
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
      const { body } = request
      const wrong = contradictionsIn(body)
      if (wrong.length > 0) throw invalid(wrong)
      const once = await idempotency.once(
        requestKeyOf(request, ownerId),
        async (doing) => {
          if (body.stream) streams.mayOpen()
          return ask(parts, ownerId, body, doing)
        },
        async (made) => {
          const newness = await replies.justMade(ownerId, made['reply'])
          // That was for its client being away: whoever is back wants an answer.
          return newness === 'cancelled' ? undefined : newness
        },
      )
      const isRepeated = 'repeated' in once
      const asked = isRepeated ? await unlessRemoved(askedBefore(parts, ownerId, once.repeated)) : once.done
      const { id, interactionId } = asked.reply
      if (isRepeated) {
        reply.header(replayedHeader, 'true')
        if (body.stream) streams.mayOpen()
      }
      reply.headers({
        'x-parley-interaction': interactionId,
        'x-parley-reply': id,
        'x-parley-events': `/v1/messages/${id}/events`,
      })
      const gone = attend(ownerId, asked, request, reply)
      if (body.stream)
        return stream(ownerId, asked, body.stream_options?.include_usage, reply, gone, isRepeated)
      const answered = await replies.waitForEnd(ownerId, id, maxWaitMs, gone.signal)
      const failure = failureOf(answered)
      if (failure === undefined) {
        return completionOf(answered, body.store ? (body.metadata ?? {}) : null)
      }
      if (failure === 'open') throw new ParleyError(stopping.code, stopping.message, { retryAfterMs: 1_000 })
      return sendReplyError(reply, failure === 'cancelled' ? cancelled : (failure ?? cancelled))
    },
  )

  /** Aborts when the client is gone: then nobody gets an answer that is not kept, unless its key stands for it. */
  function attend(ownerId: string, { reply, expiresAt }: Asked, request: FastifyRequest, to: FastifyReply) {
    const gone = new AbortController()
    const { id: replyId, interactionId } = reply
    const hasKey = request.headers['idempotency-key'] !== undefined
    const leave =
      expiresAt === null || hasKey
        ? undefined
        : attendance.attend({ ownerId, interactionId, replyId, expiresAt })
    const counts = request.headers['x-stainless-retry-count'] !== undefined
    const onClose = () => {
      gone.abort()
      // A client that counts its tries does not try again once a stream has begun.
      const mayReturn = counts && !to.raw.headersSent
      leave?.(to.raw.writableFinished ? 'answered' : mayReturn ? 'back soon' : 'gone')
    }
    // It may have left while its question was being stored.
    if (to.raw.destroyed) onClose()
    else to.raw.once('close', onClose)
    return gone
  }

  async function stream(
    ownerId: string,
    { reply: { id, interactionId, createdAt, making } }: Asked,
    includesUsage = false,
    reply: FastifyReply,
    gone: AbortController,
    isRepeated: boolean,
  ) {
    const hasEnded = isRepeated && (await replies.follow(ownerId, id, 0)) === 'ended'
    const opening = await openingOf(replies.events(id, 0, gone.signal, hasEnded), openingMs)
    const { first, isOver } = opening
    if (isOver && !gone.signal.aborted) throw removed()
    if (first?.type === 'reply.failed' || first?.type === 'reply.cancelled') {
      await opening.events.return(undefined)
      const { error } = JSON.parse(first.data) as { error: Parameters<typeof sendReplyError>[1] | null }
      return sendReplyError(reply, error ?? cancelled)
    }
    const fold = createChunkFold(
      {
        id: openAiId('chatcmpl-', interactionId),
        created: Math.floor(createdAt / 1_000),
        model: making?.model ?? '',
        includesUsage,
      },
      (error) => frameOf(openAiErrorOf(error)),
    )
    return streams.send(
      reply,
      async function* frames(signal) {
        signal.addEventListener('abort', () => gone.abort(), { once: true })
        if (signal.aborted) gone.abort()
        for await (const batch of opening.events) {
          const frame = sinceRestart(batch, fold.hasBegun)
            .map((event) => fold.framesOf(event))
            .join('')
          if (frame !== '') yield frame
          if (fold.isOver) return
        }
        if (!gone.signal.aborted) yield fold.fail(deleted)
      },
      200,
      farewell,
    )
  }
}
