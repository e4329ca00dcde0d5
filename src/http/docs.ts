import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { tidyOpenapi } from './tidy-openapi.ts'

/** `/docs` and `/openapi.json`, made of the routes' own schemas. Register it before the routes. */
export async function registerDocs(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Parley',
        version,
        description:
          'A conversation server for language models. Post a message to an interaction; a model answers in ' +
          'the background; follow the answer live, from any client, after any failure.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'Interactions', description: 'Conversations and their settings.' },
        { name: 'Messages', description: 'What was said, and the answers to it.' },
        { name: 'Replies', description: 'How answers ended, and making those again that failed.' },
        { name: 'Models', description: 'What can answer.' },
        { name: 'Responses', description: "OpenAI's wire of today: a response is a reply." },
        { name: 'Conversations', description: "OpenAI's wire: a conversation is an interaction." },
        { name: 'Chat completions', description: "OpenAI's wire for clients that keep what was said." },
        { name: 'Embeddings', description: 'Passed through to the provider of the model.' },
        { name: 'Original', description: 'The API of 2023, for the clients that exist.' },
        { name: 'Health', description: 'For load balancers and people.' },
      ],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }, {}],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => tidyOpenapi(jsonSchemaTransformObject(document)),
  })
  app.get('/openapi.json', { schema: { hide: true }, config: { isPublic: true } }, async () => app.swagger())
  await app.register(async (scope) => {
    // A browser that opens a page sends no key; the page has a field for it.
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, isPublic: true }
    })
    await scope.register(swaggerUi, {
      routePrefix: '/docs',
      // No policy of its own: the server's is the same without `upgrade-insecure-requests`, which breaks plain HTTP.
      staticCSP: false,
      // Without its badge, which asks a server on the internet.
      uiConfig: { deepLinking: true, tryItOutEnabled: true, validatorUrl: null },
    })
  })
}
