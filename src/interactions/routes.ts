import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { problemAnswers, storingProblems, uuidParams } from '../http/answers.ts'
import { pageView } from '../http/pagination.ts'
import { unlessRemoved } from '../errors.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../idempotency/schemas.ts'
import type { Interaction } from './interaction.ts'
import type { Interactions } from './interactions.ts'
import {
  interactionChange,
  interactionInput,
  interactionQuery,
  interactionSchema,
  interactionsQuery,
  interactionView,
  settingsOf,
} from './schemas.ts'

/** What an interaction may be shown with: its messages, which are another room's. */
export interface Included {
  schema: z.ZodType
  load: (interaction: Interaction) => Promise<unknown>
}

/** `/v1/interactions` */
export function interactionRoutes(
  app: FastifyInstance,
  parts: { interactions: Interactions; messages: Included; idempotency: Idempotency },
) {
  const { interactions, messages, idempotency } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Interactions']
  const shown = interactionSchema.extend({
    messages: messages.schema.optional().meta({ description: 'With `include=messages`.' }),
  })
  const shownPage = z.object({
    object: z.literal('list'),
    data: z.array(shown),
    has_more: z.boolean(),
    next: z.uuid().nullable(),
  })

  async function show(interaction: Interaction, include: 'messages' | undefined) {
    const view = interactionView(interaction)
    return include ? { ...view, messages: await messages.load(interaction) } : view
  }

  routes.post(
    '/v1/interactions',
    {
      schema: {
        tags,
        summary: 'Begin an interaction',
        headers: idempotencyHeaders,
        body: interactionInput,
        response: {
          201: interactionSchema,
          ...storingProblems('removed', 'unknown_model', 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        interactions.create(ownerId, settingsOf(request.body), {
          also: (tx, { id }) => remember(tx, { interaction: id }),
        }),
      )
      const interaction =
        'done' in once
          ? once.done
          : await unlessRemoved(interactions.find(ownerId, once.repeated['interaction'] ?? ''))
      if ('repeated' in once) reply.header(replayedHeader, 'true')
      return reply
        .status(201)
        .header('location', `/v1/interactions/${interaction.id}`)
        .send(interactionView(interaction))
    },
  )

  routes.get(
    '/v1/interactions',
    {
      schema: {
        tags,
        summary: 'List interactions, newest first',
        querystring: interactionsQuery,
        response: { 200: shownPage, ...problemAnswers() },
      },
    },
    async ({ principal, query }) => {
      const page = pageView(await interactions.list(principal.ownerId, query), (interaction) => interaction)
      return { ...page, data: await Promise.all(page.data.map((item) => show(item, query.include))) }
    },
  )

  routes.get(
    '/v1/interactions/:id',
    {
      schema: {
        tags,
        summary: 'Read an interaction',
        params: uuidParams,
        querystring: interactionQuery,
        response: { 200: shown, ...problemAnswers('not_found') },
      },
    },
    async ({ principal, params, query }) =>
      show(await interactions.find(principal.ownerId, params.id), query.include),
  )

  routes.patch(
    '/v1/interactions/:id',
    {
      schema: {
        tags,
        summary: 'Change the settings of an interaction',
        params: uuidParams,
        body: interactionChange,
        response: { 200: interactionSchema, ...storingProblems('not_found', 'unknown_model') },
      },
    },
    async ({ principal, params, body }) =>
      interactionView(await interactions.change(principal.ownerId, params.id, settingsOf(body))),
  )

  routes.delete(
    '/v1/interactions/:id',
    {
      schema: {
        tags,
        summary: 'Delete an interaction and all that was said in it',
        params: uuidParams,
        response: { 204: z.null().meta({ description: 'It is gone.' }), ...storingProblems('not_found') },
      },
    },
    async ({ principal, params }, reply) => {
      await interactions.remove(principal.ownerId, params.id)
      return reply.status(204).send(null)
    },
  )
}
