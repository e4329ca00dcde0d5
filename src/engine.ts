import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { createEmbeddedJobs } from './jobs/embedded.ts'
import type { Job, Jobs } from './jobs/jobs.ts'
import type { Log } from './log.ts'
import type { Replies } from './replies/replies.ts'
import type { Notices } from './storage/notices.ts'
import { requireWhole } from './storage/copy-mark.ts'
import { openSqliteStorage } from './storage/sqlite.ts'
import type { Storage } from './storage/storage.ts'

/** What DATABASE_URL decides: one process with a file, or any number of them with PostgreSQL. */
export interface Engine {
  storage: Storage
  jobs: Jobs
  /** How nodes tell each other what is new, where there are others. */
  notices: Notices | undefined
  /** The number of this node, where there are others. */
  node: () => number | null
  start(replies: Replies): Promise<void>
  /** Ends what is left when the jobs have ended; closes the database. */
  stop(): Promise<void>
}

export async function openEngine(config: Config, log: Log, now: Clock): Promise<Engine> {
  const onError = (error: unknown, job: Job) =>
    log.error({ err: error, interaction: job.interactionId }, 'work failed')
  if (config.database.engine === 'postgres') {
    // Its packages are loaded only where they are needed.
    const { openCluster } = await import('./cluster.ts')
    return openCluster(config, config.database.url, { log, now, onError })
  }
  const storage = await requireWhole(await openSqliteStorage(config.database.path))
  const jobs = createEmbeddedJobs({
    storage,
    now,
    maxRunning: config.maxRunningReplies,
    maxRunningPerGroup: config.maxRunningPerProvider,
    onError,
  })
  return { storage, jobs, notices: undefined, node: () => null, start: async () => {}, stop: storage.close }
}
