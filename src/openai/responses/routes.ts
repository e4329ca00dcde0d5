import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ParleyError, unlessRemoved } from '../../errors.ts'
import { openAiRefusals } from '../../http/answers.ts'
import { sendReplyError } from '../../http/openai-error.ts'
import type { Streams } from '../../http/streams.ts'
import { invalid } from '../../http/validation.ts'
import type { Idempotency } from '../../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../../idempotency/schemas.ts'
import { isOpen } from '../../messages/message.ts'
import type { AskedReply, Replies } from '../../replies/replies.ts'
import { openAiId } from '../ids.ts'
import { itemsShowing } from '../items.ts'
import { toFrames } from './frames.ts'
import { includesSealed } from './include.ts'
import { pageOfItems } from './item-page.ts'
import { createBody } from './request.ts'
import { responseSchema } from './response.ts'
import { responseOf } from './view.ts'
import type { Responses } from './responses.ts'
import { deletedSchema, inputItemsQuery, itemList, responseParams, retrieveQuery } from './schemas.ts'
import { eventsOf } from './stream.ts'

/** As long as a timer can be set: a reply ends before, by limits of its own. */
const maxWaitMs = 2 ** 31 - 1

/** `/v1/responses`: replies, as OpenAI's wire of today has them. */
export function responseRoutes(
  app: FastifyInstance,
  parts: { responses: Responses; replies: Replies; streams: Streams; idempotency: Idempotency },
) {
  const { responses, replies, streams, idempotency } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Responses']
  const answer = {
    description: 'The response, or with `stream` its events.',
    content: {
      'application/json': { schema: responseSchema },
      'text/event-stream': { schema: z.string() },
    },
  }

  routes.post(
    '/v1/responses',
    {
      schema: {
        tags,
        summary: 'Have a model respond',
        description:
          'Waits for the end of the response; with `background` it answers at once, with `stream` by events. ' +
          'Either way it is made to its end, and can be read and followed again. Where it was waited for and comes ' +
          'to nothing, that is told by a status; `x-parley-response` has the id that it can be read by.',
        headers: idempotencyHeaders,
        body: createBody,
        response: {
          200: answer,
          ...openAiRefusals.answering(
            'not_found',
            'previous_response_not_found',
            'removed',
            'interaction_busy',
            'reply_in_progress',
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
      const key = requestKeyOf(request, ownerId)
      const once = await idempotency.once(
        key,
        async (doing) => {
          if (body.stream) streams.mayOpen()
          return responses.create(ownerId, body, doing)
        },
        (made) => replies.justMade(ownerId, made['response']),
      )
      const id = 'done' in once ? once.done : (once.repeated['response'] ?? '')
      if ('repeated' in once) {
        reply.header(replayedHeader, 'true')
        if (body.stream) streams.mayOpen()
      }
      const found = await unlessRemoved(responses.findMade(ownerId, id))
      // What a key stands for is there as long as the key.
      const isKeyed = key !== undefined && key.tries === undefined
      const forget = () => responses.delivered(ownerId, found, { mayReturn: key !== undefined })
      const onceDelivered = isKeyed ? undefined : forget
      if (body.stream) return stream(ownerId, found, -1, reply, onceDelivered)
      if (body.background) return viewOf(found)
      const ended = await waitFor(ownerId, found, reply)
      if (onceDelivered) onDelivered(reply, onceDelivered)
      const { status, error } = ended.reply.making
      if (status !== 'failed' || !error) return viewOf(ended)
      // It came to nothing: OpenAI says so by a status, and its clients throw. It is kept all the same.
      return sendReplyError(reply.header('x-parley-response', openAiId('resp_', id)), error)
    },
  )

  /** The response when it has ended; a client that leaves has it go on. */
  async function waitFor(ownerId: string, asked: AskedReply, reply: FastifyReply): Promise<AskedReply> {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    await replies.waitForEnd(ownerId, asked.reply.id, maxWaitMs, gone.signal)
    const found = await responses.findMade(ownerId, asked.reply.id)
    if (isOpen(found.reply.making.status)) {
      throw new ParleyError('server_stopping', 'The server is stopping; the response goes on.', {
        retryAfterMs: 1_000,
      })
    }
    return found
  }

  async function stream(
    ownerId: string,
    asked: AskedReply,
    after: number,
    reply: FastifyReply,
    onceDelivered?: () => Promise<void>,
  ) {
    const hasEnded = (await replies.follow(ownerId, asked.reply.id, 0)) !== 'live'
    const onComplete = () => {
      if (onceDelivered) onDelivered(reply, onceDelivered)
    }
    const events = (signal: AbortSignal) => eventsOf(replies, ownerId, asked, { after, signal, hasEnded })
    const frames = (signal: AbortSignal) => toFrames(events(signal), { after, hasEnded, onComplete })
    return streams.send(reply, frames, 200, '')
  }

  function onDelivered(reply: FastifyReply, work: () => Promise<void>): void {
    reply.raw.once('finish', () => {
      work().catch((error: unknown) => {
        reply.log.warn({ err: error, req_id: reply.request.id }, 'a response could not be removed yet')
      })
    })
  }

  routes.get(
    '/v1/responses/:id',
    {
      schema: {
        tags,
        summary: 'Retrieve a response, or follow it',
        description:
          'With `stream=true` its events from the first one on, or behind `starting_after`: while it is made and ' +
          'afterwards, whether it was asked for in the background or not.',
        params: responseParams,
        querystring: retrieveQuery,
        response: {
          200: answer,
          ...openAiRefusals.reading('not_found', 'events_expired', 'server_busy', 'server_stopping'),
        },
      },
    },
    async ({ principal: { ownerId }, params, query }, reply) => {
      if (query.starting_after !== undefined && !query.stream) {
        throw invalid([{ in: 'query', field: 'starting_after', message: 'is only for stream=true' }])
      }
      const found = await responses.find(ownerId, params.id)
      if (!query.stream) return viewOf(found, includesSealed(query))
      streams.mayOpen()
      return stream(ownerId, found, query.starting_after ?? -1, reply)
    },
  )

  routes.post(
    '/v1/responses/:id/cancel',
    {
      schema: {
        tags,
        summary: 'Cancel a response',
        description: 'Stops the model. What it said by then stays. Harmless where the response has ended.',
        params: responseParams,
        headers: idempotencyHeaders,
        response: { 200: responseSchema, ...openAiRefusals.storing('not_found', 'idempotency_key_reused') },
      },
    },
    async (request, to) => {
      const { ownerId } = request.principal
      const { id } = (await responses.find(ownerId, request.params.id)).reply
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        replies.cancel(ownerId, id, (tx) => remember(tx, { response: id })),
      )
      if ('repeated' in once) to.header(replayedHeader, 'true')
      return viewOf(await responses.findMade(ownerId, id))
    },
  )

  routes.delete(
    '/v1/responses/:id',
    {
      schema: {
        tags,
        summary: 'Delete a response',
        description:
          'With what was said for it, but for what belongs to a conversation. One that is being made is stopped.',
        params: responseParams,
        response: { 200: deletedSchema, ...openAiRefusals.storing('not_found') },
      },
    },
    async ({ principal: { ownerId }, params }) => {
      const { reply } = await responses.find(ownerId, params.id)
      await responses.remove(ownerId, params.id)
      return { id: openAiId('resp_', reply.id), object: 'response' as const, deleted: true as const }
    },
  )

  routes.get(
    '/v1/responses/:id/input_items',
    {
      schema: {
        tags,
        summary: 'List what a response was given',
        description: 'The items of its own `input`, newest first.',
        params: responseParams,
        querystring: inputItemsQuery,
        response: { 200: itemList, ...openAiRefusals.reading('not_found') },
      },
    },
    async ({ principal: { ownerId }, params, query }) => {
      const found = await responses.find(ownerId, params.id)
      const shows = { sealed: includesSealed(query) }
      const items = (await responses.inputOf(found)).flatMap((message) => itemsShowing(shows, message))
      return pageOfItems(items, query)
    },
  )
}

function viewOf({ reply, options }: AskedReply, sealed = false) {
  return responseOf(reply, reply.making, options, sealed ? { sealed } : {})
}
