import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { openAiRefusals } from '../http/answers.ts'
import { type Models, type OfferedModel, unknownModel } from '../providers/registry.ts'

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

const modelParams = z.object({ id: z.string().min(1).max(200) })
const namePieces = z.record(z.string(), z.string().min(1).max(200))

/** `GET /v1/models[/{id}]`, in OpenAI's shape with what we know beyond it. */
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

  routes.get(
    '/v1/models/:id',
    {
      schema: {
        tags: ['Models'],
        summary: 'Read what is known of a model',
        description: 'Its name in one piece (`provider%2Fmodel`) or with its slashes.',
        params: modelParams,
        response: { 200: modelSchema, ...openAiRefusals.reading('unknown_model') },
      },
    },
    ({ params }) => show(params.id),
  )
  // The same; names have slashes, and not every client encodes them.
  for (const path of ['/v1/models/:first/:second', '/v1/models/:first/:second/:third']) {
    routes.get(path, { schema: { hide: true, params: namePieces } }, ({ params }) =>
      show(Object.values(params).join('/')),
    )
  }

  async function show(name: string) {
    const { name: fullName } = models.resolve(name)
    const model = (await models.list()).find((offered) => offered.name === fullName)
    if (!model) throw unknownModel(name)
    return modelView(model)
  }
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
