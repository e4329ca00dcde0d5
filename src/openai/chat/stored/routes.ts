import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { openAiRefusals } from '../../../http/answers.ts'
import type { Idempotency } from '../../../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../../../idempotency/schemas.ts'
import type { Interaction } from '../../../interactions/interaction.ts'
import type { Interactions } from '../../../interactions/interactions.ts'
import type { Message } from '../../../messages/message.ts'
import type { Messages } from '../../../messages/messages.ts'
import { saidFor } from '../../../replies/options.ts'
import type { Replies } from '../../../replies/replies.ts'
import { found, missing, openAiId, uuidOf } from '../../ids.ts'
import { listView } from '../../list.ts'
import { metadataIn } from '../../schemas.ts'
import { storedCompletionOf } from '../completion.ts'
import { storedMessageOf } from './messages.ts'
import {
  completionChange,
  completionPage,
  completionParams,
  completionsQuery,
  storedCompletion,
  storedMessagePage,
  storedMessagesQuery,
} from './schemas.ts'

const origin = 'chat_completion'

/** The chat completions that were asked for with `store: true`. */
export function storedChatRoutes(
  app: FastifyInstance,
  parts: {
    interactions: Interactions
    messages: Messages
    replies: Pick<Replies, 'findAsked'>
    idempotency: Idempotency
  },
) {
  const { interactions, messages, replies, idempotency } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Chat completions']

  /** The interaction of a completion and the reply that is its answer; what is not kept is not found. */
  async function find(ownerId: string, id: string): Promise<{ interaction: Interaction; reply: Message }> {
    const uuid = uuidOf('chatcmpl-', id, { in: 'path', field: 'completion_id' })
    const interaction = await found('chatcmpl-', id, interactions.find(ownerId, uuid))
    const reply = await answerIn(ownerId, uuid)
    const isOne = interaction.origin === origin && interaction.expiresAt === null
    if (!isOne || !reply) throw missing('chatcmpl-', id)
    return { interaction, reply }
  }

  /** The answer that an interaction was begun for, right behind what was said for it; another one is none of its. */
  async function answerIn(ownerId: string, interactionId: string): Promise<Message | undefined> {
    const first = await messages.firstMade(interactionId)
    if (!first) return undefined
    const { reply, options } = await replies.findAsked(ownerId, first.id)
    return reply.position === saidFor(options) + 1 ? reply : undefined
  }

  routes.get(
    '/v1/chat/completions',
    {
      schema: {
        tags,
        summary: 'List the completions that are kept',
        description: '`metadata[key]=value` lists those that have the pair.',
        querystring: completionsQuery,
        response: { 200: completionPage, ...openAiRefusals.reading() },
      },
    },
    async ({ principal, query }) => {
      const { limit, order, after, model } = query
      const page = await interactions.list(principal.ownerId, {
        limit,
        order,
        after: after && uuidOf('chatcmpl-', after, { in: 'query', field: 'after' }),
        origin,
        model,
        metadata: metadataIn(query),
      })
      const answers = await Promise.all(page.data.map(({ id }) => answerIn(principal.ownerId, id)))
      const shown = page.data.flatMap((interaction, index) => {
        const reply = answers[index]
        return reply ? [storedCompletionOf(reply, interaction)] : []
      })
      return listView(shown, page.hasMore)
    },
  )

  routes.get(
    '/v1/chat/completions/:id',
    {
      schema: {
        tags,
        summary: 'Read a completion that is kept',
        params: completionParams,
        response: { 200: storedCompletion, ...openAiRefusals.reading('not_found') },
      },
    },
    async ({ principal, params }) => {
      const { interaction, reply } = await find(principal.ownerId, params.id)
      return storedCompletionOf(reply, interaction)
    },
  )

  routes.post(
    '/v1/chat/completions/:id',
    {
      schema: {
        tags,
        summary: 'Change the metadata of a completion that is kept',
        params: completionParams,
        headers: idempotencyHeaders,
        body: completionChange,
        response: {
          200: storedCompletion,
          ...openAiRefusals.storing('not_found', 'idempotency_key_reused'),
        },
      },
    },
    async (request, to) => {
      const { ownerId } = request.principal
      const { interaction, reply } = await find(ownerId, request.params.id)
      const { id } = interaction
      const changed = { metadata: request.body.metadata ?? {} }
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        interactions.change(ownerId, id, changed, (tx) => remember(tx, { interaction: id })),
      )
      if ('done' in once) return storedCompletionOf(reply, once.done)
      to.header(replayedHeader, 'true')
      return storedCompletionOf(reply, await interactions.find(ownerId, id))
    },
  )

  routes.delete(
    '/v1/chat/completions/:id',
    {
      schema: {
        tags,
        summary: 'Delete a completion that is kept',
        params: completionParams,
        response: {
          200: z.object({
            object: z.literal('chat.completion.deleted'),
            id: z.string(),
            deleted: z.literal(true),
          }),
          ...openAiRefusals.storing('not_found'),
        },
      },
    },
    async ({ principal, params }) => {
      const { interaction } = await find(principal.ownerId, params.id)
      await interactions.remove(principal.ownerId, interaction.id)
      const id = openAiId('chatcmpl-', interaction.id)
      return { object: 'chat.completion.deleted' as const, id, deleted: true as const }
    },
  )

  routes.get(
    '/v1/chat/completions/:id/messages',
    {
      schema: {
        tags,
        summary: 'List the messages that a completion answered',
        params: completionParams,
        querystring: storedMessagesQuery,
        response: { 200: storedMessagePage, ...openAiRefusals.reading('not_found') },
      },
    },
    async ({ principal, params, query }) => {
      const { interaction, reply } = await find(principal.ownerId, params.id)
      const { limit, order } = query
      const after = query.after && uuidOf('msg_', query.after, { in: 'query', field: 'after' })
      // What was said later, through another door, is none of its messages.
      const from = order === 'desc' ? (after ?? reply.id) : after
      const { data } = await messages.list(
        { id: interaction.id, currentBranch: reply.branch },
        // One more than are shown: what follows the last of them may be the answer.
        { limit: limit + 1, order, after: from },
      )
      const asked = data.filter(({ position }) => position < reply.position)
      return listView(asked.slice(0, limit).map(storedMessageOf), asked.length > limit)
    },
  )
}
