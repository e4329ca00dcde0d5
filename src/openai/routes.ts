import type { FastifyInstance } from 'fastify'
import { sendOpenAiError } from '../http/openai-error.ts'
import { toRefusal } from '../http/server.ts'
import { acceptWebSockets } from '../http/web-sockets.ts'
import type { Streams } from '../http/streams.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Messages } from '../messages/messages.ts'
import type { Embed } from '../providers/embed.ts'
import type { ProviderHealth } from '../providers/health.ts'
import type { Models } from '../providers/registry.ts'
import type { Replies } from '../replies/replies.ts'
import { chatRoutes } from './chat/routes.ts'
import { storedChatRoutes } from './chat/stored/routes.ts'
import { conversationItemRoutes } from './conversations/items/routes.ts'
import { conversationRoutes } from './conversations/routes.ts'
import { embeddingRoutes } from './embeddings/routes.ts'
import { modelRoutes } from './models.ts'
import { createCompaction } from './responses/compaction/compaction.ts'
import { compactionRoutes } from './responses/compaction/routes.ts'
import { createResponses } from './responses/responses.ts'
import { responseRoutes } from './responses/routes.ts'
import { socketRoute } from './responses/socket/routes.ts'

/** What the routes of this door are given. */
export interface OpenAiParts {
  interactions: Interactions
  messages: Messages
  replies: Replies
  models: Models
  health: ProviderHealth
  embed: Embed
  streams: Streams
  idempotency: Idempotency
  limits: { bodyLimitBytes: number; corsOrigins: string[] }
}

/** OpenAI's wire over the verbs of today. Whatever is refused here is refused in its shape. */
export async function openaiRoutes(app: FastifyInstance, parts: OpenAiParts): Promise<void> {
  app.setErrorHandler((error, request, reply) => sendOpenAiError(reply, toRefusal(error, request)))
  await acceptWebSockets(app, parts.limits)
  modelRoutes(app, parts)
  embeddingRoutes(app, parts)
  chatRoutes(app, parts)
  storedChatRoutes(app, parts)
  conversationRoutes(app, parts)
  conversationItemRoutes(app, parts)
  const responses = createResponses(parts)
  responseRoutes(app, { ...parts, responses })
  socketRoute(app, { ...parts, responses })
  compactionRoutes(app, { compaction: createCompaction({ ...parts, responses }) })
}
