import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { openAiRefusals } from '../../http/answers.ts'
import { unlessRemoved } from '../../errors.ts'
import type { Idempotency } from '../../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../../idempotency/schemas.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import type { Messages } from '../../messages/messages.ts'
import type { Replies } from '../../replies/replies.ts'
import { openAiId, uuidOf } from '../ids.ts'
import { listView } from '../list.ts'
import { itemFinder } from '../responses/find-item.ts'
import { saidInEach } from '../responses/said.ts'
import { metadataIn } from '../schemas.ts'
import { conversationOf } from './conversation.ts'
import { conversationFinder } from './find.ts'
import {
  conversation,
  conversationChange,
  conversationInput,
  conversationPage,
  conversationParams,
  conversationsQuery,
  deletedConversation,
} from './schemas.ts'

/** `/v1/conversations`: interactions, with what OpenAI has no word for: a list, and what answers by default. */
export function conversationRoutes(
  app: FastifyInstance,
  parts: { interactions: Interactions; messages: Messages; replies: Replies; idempotency: Idempotency },
) {
  const { interactions, messages, replies, idempotency } = parts
  const find = conversationFinder(interactions)
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Conversations']

  routes.post(
    '/v1/conversations',
    {
      schema: {
        tags,
        summary: 'Begin a conversation',
        headers: idempotencyHeaders,
        body: conversationInput,
        response: {
          200: conversation,
          ...openAiRefusals.storing('removed', 'unknown_model', 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { items, metadata, title, model, instructions } = request.body
      const once = await idempotency.once(requestKeyOf(request, ownerId), async ({ remember }) => {
        const said = await saidInEach(items ?? [], itemFinder(messages, ownerId))
        const settings = { metadata: metadata ?? {}, title, model, prompt: instructions }
        return interactions.create(ownerId, settings, {
          async also(tx, { id }) {
            if (said.length > 0) await replies.postIn(tx, ownerId, id, { said, wantsReply: false })
            await remember(tx, { interaction: id })
          },
        })
      })
      if ('done' in once) return conversationOf(once.done)
      reply.header(replayedHeader, 'true')
      return conversationOf(
        await unlessRemoved(interactions.find(ownerId, once.repeated['interaction'] ?? '')),
      )
    },
  )

  routes.get(
    '/v1/conversations',
    {
      schema: {
        tags,
        summary: 'List and search conversations',
        description:
          'Newest first. `metadata[key]=value` lists those that have the pair. Not in OpenAI’s API.',
        querystring: conversationsQuery,
        response: { 200: conversationPage, ...openAiRefusals.reading() },
      },
    },
    async ({ principal, query }) => {
      const { limit, order, after, query: text } = query
      const page = await interactions.list(principal.ownerId, {
        limit,
        order,
        after: after && uuidOf('conv_', after, { in: 'query', field: 'after' }),
        text,
        metadata: metadataIn(query),
      })
      return listView(page.data.map(conversationOf), page.hasMore)
    },
  )

  routes.get(
    '/v1/conversations/:id',
    {
      schema: {
        tags,
        summary: 'Read a conversation',
        params: conversationParams,
        response: { 200: conversation, ...openAiRefusals.reading('not_found') },
      },
    },
    async ({ principal, params }) => conversationOf(await find(principal.ownerId, params.id)),
  )

  routes.post(
    '/v1/conversations/:id',
    {
      schema: {
        tags,
        summary: 'Change the metadata of a conversation, or what answers in it',
        params: conversationParams,
        headers: idempotencyHeaders,
        body: conversationChange,
        response: {
          200: conversation,
          ...openAiRefusals.storing('not_found', 'unknown_model', 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { id } = await find(ownerId, request.params.id)
      const { metadata, title, model, instructions: prompt } = request.body
      const changed = { metadata: metadata === null ? {} : metadata, title, model, prompt }
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        interactions.change(ownerId, id, changed, (tx) => remember(tx, { interaction: id })),
      )
      if ('done' in once) return conversationOf(once.done)
      reply.header(replayedHeader, 'true')
      return conversationOf(await find(ownerId, request.params.id))
    },
  )

  routes.delete(
    '/v1/conversations/:id',
    {
      schema: {
        tags,
        summary: 'Delete a conversation and all that was said in it',
        params: conversationParams,
        response: { 200: deletedConversation, ...openAiRefusals.storing('not_found') },
      },
    },
    async ({ principal: { ownerId }, params }) => {
      const { id } = await find(ownerId, params.id)
      await interactions.remove(ownerId, id)
      return { id: openAiId('conv_', id), object: 'conversation.deleted' as const, deleted: true as const }
    },
  )
}
