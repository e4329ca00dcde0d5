import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { openAiRefusals } from '../http/answers.ts'
import type { Models, OfferedModel } from '../providers/registry.ts'

const modelSchema = z
  .object({
    id: z.string().meta({ description: 'What to name it by: `provider/model`.' }),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string().meta({ description: 'The provider.' }),
    source: z
      .enum(['configured', 'environment', 'detected', 'builtin'])
      .meta({ description: 'How the server came to know the provider.' }),
    context_window: z.int().nullable().meta({ description: 'In tokens, where the provider told.' }),
    default: z.boolean().meta({ description: 'Whether it answers where no model is named.' }),
  })
  .meta({ id: 'Model' })

/** `GET /v1/models`, in OpenAI's shape with what we know beyond it. */
export function modelRoutes(app: FastifyInstance, { models }: { models: Models }) {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  routes.get(
    '/v1/models',
    {
      schema: {
        tags: ['Models'],
        summary: 'List what can answer',
        response: {
          200: z.object({ object: z.literal('list'), data: z.array(modelSchema) }),
          ...openAiRefusals.reading(),
        },
      },
    },
    async () => ({ object: 'list' as const, data: (await models.list()).map(modelView) }),
  )
}

function modelView(model: OfferedModel): z.infer<typeof modelSchema> {
  return {
    id: model.name,
    object: 'model',
    created: 0,
    owned_by: model.provider,
    source: model.source,
    context_window: model.contextWindowTokens ?? null,
    default: model.isDefault,
  }
}
