import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isoTime } from '../clock.ts'
import { openAiRefusals } from '../http/answers.ts'
import { replyErrorSchema } from '../messages/schemas.ts'
import type { Health, ProviderHealth } from '../providers/health.ts'
import { type Models, type OfferedModel, unknownModel } from '../providers/registry.ts'

const healthSchema = z
  .object({
    status: z.enum(['ok', 'degraded', 'unavailable']).meta({
      description:
        '`degraded`: its last answer failed. `unavailable`: its provider is left alone for a while, or refuses it.',
    }),
    since: z.iso.datetime().nullable().meta({ description: 'Null where it was not asked yet.' }),
    last_error: replyErrorSchema.shape.code.nullable(),
  })
  .meta({ id: 'ModelHealth', description: 'As this node knows it, from the answers that it makes.' })

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
    health: healthSchema,
  })
  .meta({ id: 'Model' })

const modelParams = z.object({ id: z.string().min(1).max(200) })
const namePieces = z.object({ provider: z.string().min(1).max(200), '*': z.string().max(300) })

/** `GET /v1/models[/{id}]`, in OpenAI's shape with what we know beyond it. */
export function modelRoutes(app: FastifyInstance, parts: { models: Models; health: ProviderHealth }) {
  const { models, health } = parts
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
    async () => ({
      object: 'list' as const,
      data: (await models.list()).map((model) => modelView(model, health.of(model.name, model.provider))),
    }),
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
  // The same; names have slashes, as many as their provider likes, and not every client encodes them.
  routes.get('/v1/models/:provider/*', { schema: { hide: true, params: namePieces } }, ({ params }) =>
    show(`${params.provider}/${params['*']}`),
  )

  async function show(name: string) {
    const { name: fullName } = models.resolve(name)
    const model = (await models.list()).find((offered) => offered.name === fullName)
    if (!model) throw unknownModel(name)
    return modelView(model, health.of(model.name, model.provider))
  }
}

function modelView(model: OfferedModel, { status, since, lastError }: Health): z.infer<typeof modelSchema> {
  return {
    id: model.name,
    object: 'model',
    created: 0,
    owned_by: model.provider,
    source: model.source,
    context_window: model.contextWindowTokens ?? null,
    default: model.isDefault,
    health: { status, since: isoTime(since), last_error: lastError },
  }
}
