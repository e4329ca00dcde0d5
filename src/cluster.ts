import type { Config } from './config.ts'
import { maxRunningOf } from './model-settings.ts'
import type { Engine, EngineParts } from './engine.ts'
import { createNodes } from './jobs/nodes.ts'
import { createPgBossJobs } from './jobs/pg-boss.ts'
import type { Replies } from './replies/replies.ts'
import { requireWhole } from './storage/copy-mark.ts'
import { createNotices } from './storage/notices.ts'
import { explainConnectFailure } from './storage/postgres-errors.ts'
import { openPostgresStorage } from './storage/postgres.ts'

/** Any number of nodes on one PostgreSQL, and nothing else. */
export async function openCluster(
  config: Config,
  url: string,
  { log, now, onError }: EngineParts,
): Promise<Engine> {
  const opened = await openPostgresStorage(url, {
    maxConnections: config.databasePoolSize,
    onError: (error) => log.warn({ err: error }, 'a connection to the database was lost'),
  })
  const storage = await requireWhole(opened)
  try {
    // It listens, and holds the lock that says that this node lives: a pooler gives its session to others.
    const direct = config.databaseDirectUrl
    const notices = createNotices({ url: direct ?? url, log })
    const jobs = await createPgBossJobs({
      url,
      storage,
      notices,
      maxRunning: config.maxRunningReplies,
      maxRunningPerGroup: config.maxRunningPerProvider,
      maxRunningOf: maxRunningOf(config),
      onError,
      log,
    })
    let replies: Replies | undefined
    const onDead = async (node: number) => jobs.release((await replies?.interactionsOfNode(node)) ?? [])
    const nodes = createNodes({ storage, notices, onDead, now, log })
    return {
      storage,
      jobs,
      notices,
      node: () => nodes.number ?? null,
      async start(given) {
        replies = given
        await notices.start().catch((error: unknown) => {
          throw explainConnectFailure(error, direct ?? url, direct ? 'DATABASE_DIRECT_URL' : 'DATABASE_URL')
        })
        nodes.start()
      },
      async stop() {
        await nodes.stop()
        await notices.stop()
        await storage.close()
      },
    }
  } catch (error) {
    await storage.close()
    throw explainConnectFailure(error, url)
  }
}
