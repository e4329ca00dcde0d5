import type { Clock } from './clock.ts'
import type { Job, Jobs } from './jobs/jobs.ts'
import type { Log } from './log.ts'
import type { Replies } from './replies/replies.ts'
import type { Notices } from './storage/notices.ts'
import type { Storage } from './storage/storage.ts'

/** What DATABASE_URL decides: one process with a file (`embedded.ts`), or any number of them (`cluster.ts`). */
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

/** What either is made with. */
export interface EngineParts {
  log: Log
  now: Clock
  /** Hears of work that failed in a way that nobody foresaw. */
  onError: (error: unknown, job: Job) => void
}
