import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { openAiRefusals } from '../../../http/answers.ts'
import { sendReplyError } from '../../../http/openai-error.ts'
import { compactionItem as compactionItemSchema } from '../../item.ts'
import { compactionItem } from '../../items.ts'
import { compactBody, countBody } from '../request.ts'
import { usageSchema } from '../response.ts'
import { seconds, usageOf } from '../view.ts'
import type { createCompaction } from './compaction.ts'

const empty = { code: 'provider_empty', message: 'The summary is empty.' } as const
const cancelled = { code: 'cancelled', message: 'The summary was cancelled.' } as const
const noUsage = { input_tokens: 0, cached_input_tokens: 0, output_tokens: 0, reasoning_tokens: 0 }

const compactedSchema = z
  .object({
    id: z.string(),
    object: z.literal('response.compaction'),
    created_at: z.int(),
    output: z.array(compactionItemSchema),
    usage: usageSchema,
  })
  .meta({ id: 'CompactedResponse' })

/** What is asked of a conversation without going on with it. */
export function compactionRoutes(
  app: FastifyInstance,
  { compaction }: { compaction: ReturnType<typeof createCompaction> },
) {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['Responses']

  routes.post(
    '/v1/responses/input_tokens',
    {
      schema: {
        tags,
        summary: 'Estimate the tokens of an input',
        description: 'An estimate for models in general: each counts by a vocabulary of its own.',
        body: countBody,
        response: {
          200: z.object({ object: z.literal('response.input_tokens'), input_tokens: z.int() }),
          ...openAiRefusals.storing('not_found', 'previous_response_not_found'),
        },
      },
    },
    async ({ principal: { ownerId }, body }) => ({
      object: 'response.input_tokens' as const,
      input_tokens: await compaction.count(ownerId, body),
    }),
  )

  routes.post(
    '/v1/responses/compact',
    {
      schema: {
        tags,
        summary: 'Sum up a conversation',
        description:
          'Has the model sum it up. What comes back stands for all that was said: send it as the `input` of the ' +
          'next response, in front of what is new. Nothing of it is stored.',
        body: compactBody,
        response: {
          200: compactedSchema,
          ...openAiRefusals.answering(
            'not_found',
            'previous_response_not_found',
            'unknown_model',
            'server_busy',
            'server_stopping',
          ),
        },
      },
    },
    async ({ principal: { ownerId }, body }, reply) => {
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      if (reply.raw.destroyed) gone.abort()
      const { reply: made, compaction: summedUp } = await compaction.compact(ownerId, body, gone.signal)
      const { status, error, usage } = made.making
      if (!summedUp) {
        return sendReplyError(reply, error ?? (status === 'cancelled' ? cancelled : empty))
      }
      const digits = hash('sha256', made.id).slice(0, 32)
      return {
        id: `resp_${digits}`,
        object: 'response.compaction' as const,
        created_at: seconds(made.createdAt),
        output: [compactionItem(`cmp_${digits}`, summedUp)],
        usage: usageOf(usage ?? noUsage),
      }
    },
  )
}
