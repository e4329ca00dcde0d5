import type { Config } from './config.ts'
import { maxRunningOf } from './model-settings.ts'
import type { Engine, EngineParts } from './engine.ts'
import { createEmbeddedJobs } from './jobs/embedded.ts'
import { requireWhole } from './storage/copy-mark.ts'
import { openSqliteStorage } from './storage/sqlite.ts'

/** One process and one file. */
export async function openEmbedded(
  config: Config,
  path: string,
  { now, onError }: EngineParts,
): Promise<Engine> {
  const storage = await requireWhole(await openSqliteStorage(path))
  const jobs = createEmbeddedJobs({
    storage,
    now,
    maxRunning: config.maxRunningReplies,
    maxRunningPerGroup: config.maxRunningPerProvider,
    maxRunningOf: maxRunningOf(config),
    onError,
  })
  return { storage, jobs, notices: undefined, node: () => null, start: async () => {}, stop: storage.close }
}
