import type { Transaction } from '../storage/storage.ts'

/**
 * "Look at this interaction": a job says only that there may be something to do. What it is, is read from the
 * replies themselves, so that a job that comes twice, or too early, does no harm.
 */
export interface Job {
  interactionId: string
  /** Jobs of a group share a limit of their own: the name of the provider that will be asked. */
  group: string
  /** Not before this time, in milliseconds since 1970. */
  notBefore?: number | null | undefined
}

/** Does one piece of work, if there is any, and says when to look again. `stopping` asks it to come to an end. */
export type Look = (job: Job, stopping: AbortSignal) => Promise<Job | undefined>

/**
 * The seam to whatever runs the work. Implementations: `embedded.ts`, `pg-boss.ts`.
 * Two jobs of one interaction never run at the same time; those of a group run in the order of their coming.
 */
export interface Jobs {
  /** Asks for a look once `tx` is committed. */
  enqueue(tx: Transaction, job: Job): Promise<void>
  /** The same, also where a job of the interaction is put off. */
  hurry(tx: Transaction, job: Job): Promise<void>
  /** Whether a job outlives the process: else whoever starts enqueues what is still to be done. */
  readonly keepsJobs: boolean
  /** Begins to run jobs. */
  start(look: Look): void
  /** Those of `interactionIds` for which no job waits or runs, on any node. */
  withoutJob(interactionIds: string[]): Promise<Set<string>>
  /** How many jobs wait, here, for a place to run or for their time. */
  readonly waiting: number
  /**
   * Takes no more work and gives what runs `graceMs` to end; then tells it to stop, and resolves when it has.
   */
  stop(graceMs: number): Promise<void>
}
