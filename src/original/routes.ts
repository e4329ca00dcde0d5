import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { notFound } from '../errors.ts'
import { refusalsIn } from '../http/answers.ts'
import { sendDetail } from '../http/detail.ts'
import { NotJson } from '../http/json-body.ts'
import { toRefusal } from '../http/server.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../idempotency/schemas.ts'
import type { Interaction } from '../interactions/interaction.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Message } from '../messages/message.ts'
import type { Messages } from '../messages/messages.ts'
import type { Page } from '../paging.ts'
import type { Replies } from '../replies/replies.ts'
import {
  interactionInput,
  interactionParams,
  interactionView,
  isSaid,
  listedView,
  messageInput,
  messageView,
  originalError,
  originalErrors,
  originalInteraction,
  originalList,
  originalMessage,
  roleFrom2023,
} from './schemas.ts'
import { check, checkAll, InvalidInput, invalidJson } from './validation.ts'

/** These lists had no pages: they are bounded here, by the newest. */
const maxInteractions = 1_000
const maxMessages = 10_000
const pageLimit = 100

/** The API of 2023, frozen, over the verbs of today. */
export async function originalRoutes(
  app: FastifyInstance,
  parts: {
    interactions: Interactions
    messages: Messages
    replies: Pick<Replies, 'post'>
    idempotency: Idempotency
  },
): Promise<void> {
  const { interactions, messages, replies, idempotency } = parts
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Original']
  const refusals = refusalsIn((status) => ({
    'application/json': { schema: status === 422 ? originalErrors : originalError },
  }))

  // Its schemas are for the reference; what they refuse is said in the words of that time.
  app.setValidatorCompiler(() => (value: unknown) => ({ value }))
  app.setErrorHandler((error, request, reply) => answerError(error, reply, () => toRefusal(error, request)))

  routes.get(
    '/interactions/',
    {
      schema: {
        tags,
        summary: 'All interactions with messages',
        response: { 200: originalList, ...refusals.reading() },
      },
    },
    async ({ principal }) => {
      const found = await upTo(maxInteractions, (limit, after) =>
        interactions.list(principal.ownerId, { limit, order: 'desc', after, hasMessages: true }),
      )
      const data = []
      for (const interaction of found.toReversed()) {
        // One after the other: all of them at once would hold all of them in memory twice.
        data.push(listedView(interaction, await allMessages(interaction)))
      }
      return { data }
    },
  )

  routes.post(
    '/interactions/',
    {
      schema: {
        tags,
        summary: 'Create an interaction',
        headers: keyHeader,
        body: interactionInput,
        response: { 200: originalInteraction, ...refusals.storing('not_found', 'idempotency_key_reused') },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const [headers, { model_name: model, role, prompt }] = checkAll(
        () => check(keyHeader, 'header', request.headers),
        () => check(interactionInput, 'body', request.body),
      )
      const settings = { model, role: roleFrom2023(role), prompt }
      const once = await idempotency.once(keyOf(request, headers), ({ remember }) =>
        interactions.create(ownerId, settings, {
          acceptAnyModel: true,
          also: (tx, { id }) => remember(tx, { interaction: id }),
        }),
      )
      if ('done' in once) return interactionView(once.done)
      reply.header(replayedHeader, 'true')
      return interactionView(await interactions.find(ownerId, once.repeated['interaction'] ?? ''))
    },
  )

  routes.get(
    '/interactions/:id/messages/',
    {
      schema: {
        tags,
        summary: 'The messages of an interaction, oldest first',
        params: interactionParams,
        response: { 200: z.array(originalMessage), ...refusals.reading('not_found') },
      },
    },
    async (request) => {
      const { id } = check(interactionParams, 'path', request.params)
      const interaction = await interactions.find(request.principal.ownerId, id)
      return (await allMessages(interaction)).filter(isSaid).map(messageView)
    },
  )

  routes.post(
    '/interactions/:id/messages/',
    {
      schema: {
        tags,
        summary: 'Post a message; the answer follows as a message of role Ai',
        params: interactionParams,
        headers: keyHeader,
        body: messageInput,
        response: {
          200: originalMessage,
          ...refusals.storing(
            'not_found',
            'interaction_busy',
            'idempotency_key_reused',
            'server_busy',
            'server_stopping',
          ),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const [{ id }, headers, { role, content }] = checkAll(
        () => check(interactionParams, 'path', request.params),
        () => check(keyHeader, 'header', request.headers),
        () => check(messageInput, 'body', request.body),
      )
      const once = await idempotency.once(keyOf(request, headers), ({ remember }) =>
        replies.post(ownerId, id, {
          said: [{ role: roleFrom2023(role), content }],
          wantsReply: true,
          acceptAnyModel: true,
          also: (tx, { said }) => remember(tx, { message: said[0]?.id ?? null }),
        }),
      )
      if ('repeated' in once) reply.header(replayedHeader, 'true')
      const message =
        'done' in once ? once.done.said[0] : await messages.find(ownerId, once.repeated['message'] ?? '')
      if (!message) throw notFound('Message')
      return messageView(message)
    },
  )

  /** Oldest first. */
  async function allMessages(interaction: Interaction): Promise<Message[]> {
    const newestFirst = await upTo(maxMessages, (limit, after) =>
      messages.list(interaction, { limit, order: 'desc', after }),
    )
    return newestFirst.toReversed()
  }
}

/** Of the headers of a request that may come twice: clients of that time count no tries. */
const keyHeader = idempotencyHeaders.pick({ 'idempotency-key': true }).strip()

function keyOf(request: FastifyRequest, headers: z.infer<typeof keyHeader>) {
  const { method, routeOptions, params, sentBody, raw, principal } = request
  return requestKeyOf({ method, routeOptions, params, sentBody, raw, headers }, principal.ownerId)
}

async function upTo<Item>(
  max: number,
  read: (limit: number, after: string | undefined) => Promise<Page<Item>>,
): Promise<Item[]> {
  const items: Item[] = []
  let after: string | undefined
  do {
    // Each page starts where the one before it ended.
    const page = await read(pageLimit, after)
    items.push(...page.data)
    after = page.next ?? undefined
  } while (after !== undefined && items.length < max)
  return items
}

function answerError(error: unknown, reply: FastifyReply, refusal: () => ReturnType<typeof notFound>) {
  const invalid = error instanceof InvalidInput ? error : invalidBody(error)
  if (invalid) return reply.status(422).send({ detail: invalid.detail })
  return sendDetail(reply, refusal())
}

/** A body that is no JSON was a validation error there. */
function invalidBody(error: unknown): InvalidInput | undefined {
  return error instanceof NotJson ? invalidJson(error.text) : undefined
}
