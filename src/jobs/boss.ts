import { PgBoss } from 'pg-boss'
import type { Log } from '../log.ts'

/** The one queue of all nodes. */
export const queue = 'looks'
/** A worker that says nothing for so long is taken for dead, however alive it may be: its claim is fenced. */
const heartbeatSeconds = 10
/** A job that failed for good would block its interaction for ever: a reply that is given up is our own state. */
const endlessRetries = 1_000_000
const longestSeconds = 86_000

/** Opens pg-boss on the database at `url`, with its tables and the queue. */
export async function openBoss(url: string, log: Log): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: url,
    application_name: 'parley jobs',
    max: 4,
    schedule: false,
    superviseIntervalSeconds: 2,
    monitorIntervalSeconds: 2,
  })
  boss.on('error', (error) => log.warn({ err: error }, 'the job queue could not be reached'))
  try {
    await boss.start()
    await boss.createQueue(queue, {
      policy: 'key_strict_fifo',
      retryLimit: endlessRetries,
      retryDelay: 0,
      heartbeatSeconds,
      expireInSeconds: longestSeconds,
      deleteAfterSeconds: 600,
    })
  } catch (error) {
    await boss.stop({ graceful: false })
    throw error
  }
  return boss
}
