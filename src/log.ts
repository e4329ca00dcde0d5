import { type Logger, pino, stdTimeFunctions } from 'pino'
import type { Config } from './config.ts'
import { isDatabaseAway } from './errors.ts'

/** Structured log. Ids, codes and times belong in it; never a prompt, an answer, a key or a token. */
export type Log = Logger

export async function createLog(config: Pick<Config, 'logLevel' | 'logFormat'>): Promise<Log> {
  const isPretty = config.logFormat === 'pretty' || (config.logFormat === 'auto' && process.stdout.isTTY)
  const options = { level: config.logLevel, base: null, timestamp: stdTimeFunctions.isoTime }
  if (!isPretty) return pino(options)
  const { default: pretty } = await import('pino-pretty')
  return pino(options, pretty({ sync: true }))
}

/** How loud a failure is: a database that is away is the same failure everywhere, and mends without us. */
export function levelOf(error: unknown): 'warn' | 'error' {
  return isDatabaseAway(error) ? 'warn' : 'error'
}
