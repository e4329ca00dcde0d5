import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { isNotFound } from '../../../errors.ts'
import { openAiRefusals } from '../../../http/answers.ts'
import type { Idempotency } from '../../../idempotency/idempotency.ts'
import { idempotencyHeaders, replayedHeader, requestKeyOf } from '../../../idempotency/schemas.ts'
import type { Interaction } from '../../../interactions/interaction.ts'
import type { Interactions } from '../../../interactions/interactions.ts'
import type { Message } from '../../../messages/message.ts'
import type { Messages } from '../../../messages/messages.ts'
import type { Replies } from '../../../replies/replies.ts'
import { found, isSameItem, itemKinds, missing, partOf } from '../../ids.ts'
import { item } from '../../item.ts'
import { placeIn, withoutItem } from '../../item-places.ts'
import { itemsOf } from '../../items.ts'
import { listView } from '../../list.ts'
import { itemFinder } from '../../responses/find-item.ts'
import { saidInEach } from '../../responses/said.ts'
import { conversationOf } from '../conversation.ts'
import { conversationFinder } from '../find.ts'
import { conversation, conversationParams } from '../schemas.ts'
import { changedContent } from './change.ts'
import { pageOfItems } from './page.ts'
import { conversationItems, includeQuery, itemChange, itemParams, itemsInput, itemsQuery } from './schemas.ts'

/** The items of a conversation: what its messages are made of. */
export function conversationItemRoutes(
  app: FastifyInstance,
  parts: { interactions: Interactions; messages: Messages; replies: Replies; idempotency: Idempotency },
) {
  const { interactions, messages, replies, idempotency } = parts
  const find = conversationFinder(interactions)
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Conversations']

  /** The message that an item of a conversation is in. */
  async function messageOf(ownerId: string, interaction: Interaction, itemId: string): Promise<Message> {
    const place = { in: 'path', field: 'item_id' } as const
    const { kind, uuid } = partOf(itemKinds, itemId, place)
    const message = await found(kind, itemId, messages.find(ownerId, uuid))
    if (message.interactionId !== interaction.id) throw missing(kind, itemId)
    placeIn(message, itemId)
    return message
  }

  function itemIn(message: Message, itemId: string) {
    const shown = itemsOf(message).find(({ id }) => isSameItem(id, itemId))
    if (!shown) throw missing('msg_', itemId)
    return shown
  }

  /** Takes an item out of its message, and the message with the last one. */
  async function removeItem(ownerId: string, message: Message, itemId: string): Promise<void> {
    const removeAll = () => found('msg_', itemId, messages.remove(ownerId, message.id))
    if (itemsOf(message).length === 1) return removeAll()
    const left = await messages.correct(ownerId, message.id, (now) => ({
      content: withoutItem(now, placeIn(now, itemId)),
    }))
    // Others may have been taken out since it was read.
    return itemsOf(left).length === 0 ? removeAll() : undefined
  }

  /** Of what an earlier request has made, some may have been deleted since. */
  async function stillThere(ownerId: string, ids: string[]): Promise<Message[]> {
    const looked = await Promise.allSettled(ids.map((id) => messages.find(ownerId, id)))
    return looked.flatMap((each) => {
      if (each.status === 'fulfilled') return [each.value]
      if (isNotFound(each.reason)) return []
      throw each.reason
    })
  }

  routes.post(
    '/v1/conversations/:id/items',
    {
      schema: {
        tags,
        summary: 'Add items to a conversation; nothing answers them',
        params: conversationParams,
        querystring: includeQuery,
        headers: idempotencyHeaders,
        body: itemsInput,
        response: {
          200: conversationItems,
          ...openAiRefusals.storing('not_found', 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { id } = await find(ownerId, request.params.id)
      const once = await idempotency.once(
        requestKeyOf(request, ownerId),
        async ({ remember }) => {
          const said = await saidInEach(request.body.items, itemFinder(messages, ownerId))
          const posted = await replies.post(ownerId, id, {
            said,
            wantsReply: false,
            also: (tx, made) =>
              remember(tx, Object.fromEntries(made.said.map((message, index) => [`${index}`, message.id]))),
          })
          return posted.said
        },
        (made) => replies.justMade(ownerId, Object.values(made).at(-1)),
      )
      if ('done' in once) return listView(once.done.flatMap(itemsOf), false)
      reply.header(replayedHeader, 'true')
      const ids = Object.values(once.repeated).filter((made) => made !== null)
      return listView((await stillThere(ownerId, ids)).flatMap(itemsOf), false)
    },
  )

  routes.get(
    '/v1/conversations/:id/items',
    {
      schema: {
        tags,
        summary: 'List the items of a conversation, newest first',
        description: 'Of an answer that is still being made there are none yet.',
        params: conversationParams,
        querystring: itemsQuery,
        response: { 200: conversationItems, ...openAiRefusals.reading('not_found') },
      },
    },
    async ({ principal: { ownerId }, params, query }) => {
      const interaction = await find(ownerId, params.id)
      return pageOfItems(messages, interaction, query, (itemId) => messageOf(ownerId, interaction, itemId))
    },
  )

  routes.get(
    '/v1/conversations/:id/items/:item',
    {
      schema: {
        tags,
        summary: 'Read an item',
        params: itemParams,
        querystring: includeQuery,
        response: { 200: item, ...openAiRefusals.reading('not_found') },
      },
    },
    async ({ principal: { ownerId }, params }) => {
      const { item: itemId } = params
      const interaction = await find(ownerId, params.id)
      return itemIn(await messageOf(ownerId, interaction, itemId), itemId)
    },
  )

  routes.post(
    '/v1/conversations/:id/items/:item',
    {
      schema: {
        tags,
        summary: 'Correct an item in its place',
        description: 'Not in OpenAI’s API. Thoughts cannot be corrected.',
        params: itemParams,
        headers: idempotencyHeaders,
        body: itemChange,
        response: {
          200: item,
          ...openAiRefusals.storing('not_found', 'reply_in_progress', 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { ownerId } = request.principal
      const { params, body } = request
      const { item: itemId } = params
      const interaction = await find(ownerId, params.id)
      const { id } = await messageOf(ownerId, interaction, itemId)
      const correct = (message: Message) => ({ content: changedContent(body, message, itemId) })
      const once = await idempotency.once(requestKeyOf(request, ownerId), ({ remember }) =>
        messages.correct(ownerId, id, correct, (tx) => remember(tx, { message: id })),
      )
      if ('done' in once) return itemIn(once.done, itemId)
      reply.header(replayedHeader, 'true')
      return itemIn(await messageOf(ownerId, interaction, itemId), itemId)
    },
  )

  routes.delete(
    '/v1/conversations/:id/items/:item',
    {
      schema: {
        tags,
        summary: 'Delete an item',
        params: itemParams,
        response: { 200: conversation, ...openAiRefusals.storing('not_found', 'reply_in_progress') },
      },
    },
    async ({ principal: { ownerId }, params }) => {
      const { item: itemId } = params
      const interaction = await find(ownerId, params.id)
      await removeItem(ownerId, await messageOf(ownerId, interaction, itemId), itemId)
      return conversationOf(interaction)
    },
  )
}
