import { pino } from 'pino'
import { systemClock } from '../../src/clock.ts'
import { createEmbeddedJobs } from '../../src/jobs/embedded.ts'
import type { Job, Jobs } from '../../src/jobs/jobs.ts'
import { createPgBossJobs } from '../../src/jobs/pg-boss.ts'
import { createNotices } from '../../src/storage/notices.ts'
import type { OpenStorage } from './storage.ts'

/** The jobs of the engine that is tested, as a node has them. */
export async function openJobs(
  { storage, url }: Pick<OpenStorage, 'storage' | 'url'>,
  options: { maxRunning: number; maxRunningPerGroup: number; onError: (error: unknown, job: Job) => void },
): Promise<Jobs> {
  if (storage.engine === 'sqlite') return createEmbeddedJobs({ ...options, storage, now: systemClock })
  const log = pino({ level: 'silent' })
  const notices = createNotices({ url, log })
  const jobs = await createPgBossJobs({ ...options, url, storage, notices, log })
  await notices.start()
  return {
    ...jobs,
    get waiting() {
      return jobs.waiting
    },
    async stop(graceMs) {
      await jobs.stop(graceMs)
      await notices.stop()
    },
  }
}
