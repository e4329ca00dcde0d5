import type { Client } from '../client.ts'

/** What clients talk to while things break: a server, or what stands in front of several. */
export interface Target extends Client {
  /** Resolves when it is worth another try. */
  whenUp(): Promise<void>
}

/** It was told that nobody is there who could say more, or that the database is away: it comes again. */
export function isAway(status: number): boolean {
  return status >= 502 && status <= 504
}
