import type { FastifyInstance } from 'fastify'
import { type Clock, systemClock } from './clock.ts'
import { type Config, isLoopback } from './config.ts'
import { openEmbedded } from './embedded.ts'
import type { Engine } from './engine.ts'
import { createChanges } from './events/changes.ts'
import { createEventLog } from './events/log.ts'
import { createPruner } from './events/prune.ts'
import { createEventStore } from './events/store.ts'
import { createFeed, type Feed } from './feed/feed.ts'
import { feedRoutes } from './feed/routes.ts'
import { requirePrincipal } from './http/authentication.ts'
import { registerDocs } from './http/docs.ts'
import { hangUpWhenClosing } from './http/hang-up.ts'
import { registerHealth, serveOnlyHealth } from './http/health.ts'
import { requireKnownHost } from './http/hosts.ts'
import { listen } from './http/listen.ts'
import { pageView } from './http/pagination.ts'
import { createServer } from './http/server.ts'
import { createStreams, type Streams } from './http/streams.ts'
import { createApiKeyAuthentication } from './identity/api-key.ts'
import { createIdempotency, type Idempotency } from './idempotency/idempotency.ts'
import type { Interaction } from './interactions/interaction.ts'
import { createExpiry } from './interactions/expire.ts'
import { createInteractions, type Interactions } from './interactions/interactions.ts'
import { interactionRoutes } from './interactions/routes.ts'
import type { Job } from './jobs/jobs.ts'
import type { Log } from './log.ts'
import { requestsPerMinuteOf } from './model-settings.ts'
import { createHistoryLoader } from './messages/load-history.ts'
import { createMessages, type Messages } from './messages/messages.ts'
import { messageRoutes } from './messages/routes.ts'
import { messagePage, messageView } from './messages/schemas.ts'
import { openaiRoutes } from './openai/routes.ts'
import { originalRoutes } from './original/routes.ts'
import type { PageRequest } from './paging.ts'
import { createEmbed } from './providers/embed.ts'
import { createHealth, type ProviderHealth } from './providers/health.ts'
import { createProviderHttp } from './providers/http.ts'
import { createModels, type Models } from './providers/registry.ts'
import { findProviders } from './providers/find.ts'
import { deadLetterRoutes } from './replies/dead-letters/routes.ts'
import { createPrepare } from './replies/prepare.ts'
import { createReplies, type Replies } from './replies/replies.ts'
import { postingRoutes } from './replies/posting/routes.ts'
import { replyRoutes } from './replies/routes.ts'

/** What answers to requests under way may take once nothing else is, when it stops. */
const lastAnswersMs = 1_000
const onlyWorks =
  'This node makes answers (ROLE=worker), and serves only /healthz and /readyz. Ask one with ROLE=api or all.'

export interface App {
  /** Where it listens. */
  url: string
  models: Models
  /** Takes no more requests, gives running replies STOP_GRACE_MS, closes streams and the database. */
  stop(): Promise<void>
}

/** Puts the house together, starts it, and resolves when it listens. */
export async function startApp(
  config: Config,
  log: Log,
  version: string,
  now: Clock = systemClock,
): Promise<App> {
  const engine = await openEngine(config, log, now)
  const { storage, jobs, notices, node } = engine
  const http = createProviderHttp()
  const found = await findProviders(config, http)
  const models = createModels(found)
  const health = createHealth({ ...config, now })
  for (const name of Object.keys(config.providerLimits ?? {})) {
    if (found.providers.some((provider) => provider.name === name)) continue
    log.warn({ provider: name }, 'PROVIDER_LIMITS names a provider that is not there')
  }
  const eventStore = createEventStore(storage)
  const events = createEventLog({ storage, store: eventStore, now, log, notices })
  const changes = createChanges({ storage, now, log, notices })
  const interactions: Interactions = createInteractions({
    storage,
    models,
    changes,
    now,
    hasBranch: (tx, id, branch) => messages.hasBranch(tx, id, branch),
    onRemove: (tx, id) => replies.removingAll(tx, id),
  })
  const messages: Messages = createMessages({
    storage,
    changes,
    now,
    onRemove: (tx, id) => replies.removing(tx, id),
  })
  const prepare = createPrepare({
    findSettings: interactions.settingsOf,
    loadHistory: createHistoryLoader(storage),
    models,
    contextWindowTokens: config.contextWindowTokens,
  })
  const replies: Replies = createReplies({
    storage,
    events,
    changes,
    jobs,
    interactions,
    messages,
    models,
    health,
    prepare,
    node,
    notices,
    limits: { ...config, requestsPerMinute: requestsPerMinuteOf(config) },
    now,
    random: Math.random,
    log,
  })
  const feed = createFeed({ storage, interactions, messages, changes, events })
  const idempotency = createIdempotency({ storage, now, keptHours: config.idempotencyHours, log })
  const keptDays = config.eventRetentionDays
  const pruner = createPruner({ storage, store: eventStore, changes, now, keptDays, log })
  const expiry = createExpiry({ interactions, log })
  const streams = createStreams(config)

  const server = await createServer(config, log)
  let isReady = true
  const hangUp = hangUpWhenClosing(server)
  if (config.role === 'worker') serveOnlyHealth(server, onlyWorks)
  else
    await serveApi(server, config, version, {
      interactions,
      messages,
      replies,
      feed,
      models,
      health,
      streams,
      idempotency,
    })
  registerHealth(server, async () => isReady)

  async function stop() {
    isReady = false
    pruner.stop()
    expiry.stop()
    idempotency.stop()
    streams.close()
    hangUp()
    const closed = server.close()
    await replies.stop(config.stopGraceMs)
    // Who has not finished asking by now would be waited for until its request times out.
    const late = setTimeout(() => server.server.closeAllConnections(), lastAnswersMs)
    await closed
    clearTimeout(late)
    http.close()
    events.stop()
    changes.stop()
    await engine.stop()
  }

  try {
    await listen(server, config)
    // Only now: a process that cannot listen must not take up replies that it leaves again.
    await engine.start(replies)
    await pruner.start()
    expiry.start()
    idempotency.start()
    if (config.role !== 'api') await replies.start()
  } catch (error) {
    await stop()
    throw error
  }
  return { url: urlOf(server, config.host), models, stop }
}

async function openEngine(config: Config, log: Log, now: Clock): Promise<Engine> {
  const onError = (error: unknown, { interactionId }: Job) =>
    log.error({ err: error, interaction: interactionId }, 'work failed')
  const { database } = config
  if (database.engine === 'sqlite') return openEmbedded(config, database.path, { log, now, onError })
  // Its packages are loaded only where they are needed.
  const { openCluster } = await import('./cluster.ts')
  return openCluster(config, database.url, { log, now, onError })
}

/** What every request meets first, the reference, and every way in: the native API, OpenAI's, and the original one. */
async function serveApi(
  server: FastifyInstance,
  config: Config,
  version: string,
  rooms: {
    interactions: Interactions
    messages: Messages
    replies: Replies
    feed: Feed
    models: Models
    health: ProviderHealth
    streams: Streams
    idempotency: Idempotency
  },
): Promise<void> {
  if (!config.apiKey && isLoopback(config.host)) requireKnownHost(server, config.allowedHosts)
  requirePrincipal(server, createApiKeyAuthentication(config.apiKey))
  await registerDocs(server, version)
  const { interactions, messages, replies, feed, models, streams, idempotency } = rooms
  const included = {
    schema: messagePage,
    load: async (interaction: Interaction) =>
      pageView(await messages.list(interaction, firstPage), messageView),
  }
  interactionRoutes(server, { interactions, messages: included, idempotency })
  messageRoutes(server, { interactions, messages })
  postingRoutes(server, { interactions, replies, streams, idempotency })
  replyRoutes(server, { replies, streams, idempotency })
  deadLetterRoutes(server, { replies, idempotency })
  feedRoutes(server, { feed, streams })
  const embed = createEmbed({ models, maxRunning: config.maxRunningPerProvider })
  await server.register(openaiRoutes, { ...rooms, embed, limits: config })
  await server.register(originalRoutes, { interactions, messages, replies, idempotency })
}

const firstPage: PageRequest = { limit: 20, order: 'asc' }

function urlOf(server: FastifyInstance, host: string): string {
  const address = server.server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
