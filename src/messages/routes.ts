import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { problemAnswers, storingProblems, uuidParams } from '../http/answers.ts'
import { pageView } from '../http/pagination.ts'
import type { Interactions } from '../interactions/interactions.ts'
import { interactionView } from '../interactions/schemas.ts'
import type { Messages } from './messages.ts'
import {
  branchesQuery,
  branchPage,
  branchView,
  messageChange,
  messagePage,
  messageQuery,
  messageSchema,
  messagesQuery,
  messageView,
  messageWithInteraction,
} from './schemas.ts'

/** Reading and changing what was said. Posting is in `replies/`, because it starts an answer. */
export function messageRoutes(
  app: FastifyInstance,
  parts: { messages: Messages; interactions: Interactions },
) {
  const { messages, interactions } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Messages']

  routes.get(
    '/v1/interactions/:id/messages',
    {
      schema: {
        tags,
        summary: 'List the messages of an interaction along a branch, oldest first',
        params: uuidParams,
        querystring: messagesQuery,
        response: { 200: messagePage, ...problemAnswers('not_found') },
      },
    },
    async ({ principal, params, query }) => {
      const interaction = await interactions.find(principal.ownerId, params.id)
      const { include, ...request } = query
      const page = await messages.list(interaction, request)
      const siblings = include && (await messages.siblingsOf(interaction.id, page.data))
      return pageView(page, (message) => ({
        ...messageView(message),
        ...(siblings && {
          siblings: siblings.get(message.id) ?? [{ id: message.id, branch: message.branch }],
        }),
      }))
    },
  )

  routes.get(
    '/v1/interactions/:id/branches',
    {
      schema: {
        tags,
        summary: 'List the branches of an interaction',
        description:
          'Each began where a message was regenerated or edited, or posted behind one that was not the newest. What ' +
          'came first is branch 0, which is not listed.',
        params: uuidParams,
        querystring: branchesQuery,
        response: { 200: branchPage, ...problemAnswers('not_found') },
      },
    },
    async ({ principal, params, query }) => {
      const { id } = await interactions.find(principal.ownerId, params.id)
      return pageView(await messages.branchesOf(id, query), branchView)
    },
  )

  routes.get(
    '/v1/messages/:id',
    {
      schema: {
        tags,
        summary: 'Read a message',
        params: uuidParams,
        querystring: messageQuery,
        response: { 200: messageWithInteraction, ...problemAnswers('not_found') },
      },
    },
    async ({ principal, params, query }) => {
      const message = await messages.find(principal.ownerId, params.id)
      if (!query.include) return messageView(message)
      const interaction = await interactions.find(principal.ownerId, message.interactionId)
      return { ...messageView(message), interaction: interactionView(interaction) }
    },
  )

  routes.patch(
    '/v1/messages/:id',
    {
      schema: {
        tags,
        summary: 'Correct a message',
        params: uuidParams,
        body: messageChange,
        response: { 200: messageSchema, ...storingProblems('not_found', 'reply_in_progress') },
      },
    },
    async ({ principal, params, body }) =>
      messageView(await messages.change(principal.ownerId, params.id, body)),
  )

  routes.delete(
    '/v1/messages/:id',
    {
      schema: {
        tags,
        summary: 'Delete a message',
        description:
          'A reply that is being made is gone with what was said of it. An answer to the message that is not there ' +
          'yet is cancelled, and what was said of that by then stays.',
        params: uuidParams,
        response: { 204: z.null().meta({ description: 'It is gone.' }), ...storingProblems('not_found') },
      },
    },
    async ({ principal, params }, reply) => {
      await messages.remove(principal.ownerId, params.id)
      return reply.status(204).send(null)
    },
  )
}
