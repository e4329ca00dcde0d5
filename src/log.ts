import { destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type { Config } from './config.ts'
import { isDatabaseAway } from './errors.ts'

/** Structured log. Ids, codes and times belong in it; never a prompt, an answer, a key or a token. */
export type Log = Logger

/** What may wait for a reader who is slow; what comes then is left out. */
const maxWaitingBytes = 2 ** 24

export interface OpenLog {
  log: Log
  /** Resolves when all of it is written, or cannot be. Nothing may be logged from then on. */
  end(): Promise<void>
}

export async function openLog(config: Pick<Config, 'logLevel' | 'logFormat'>): Promise<OpenLog> {
  const isPretty = config.logFormat === 'pretty' || (config.logFormat === 'auto' && process.stdout.isTTY)
  const options = { level: config.logLevel, base: null, timestamp: stdTimeFunctions.isoTime }
  if (!isPretty) {
    const output = openOutput()
    return { log: pino(options, output.stream), end: output.end }
  }
  const { default: pretty } = await import('pino-pretty')
  return { log: pino(options, pretty({ sync: true })), end: async () => {} }
}

/** Writes in the background. Whoever reads it may be gone, or its disk full: the server goes on without. */
function openOutput() {
  const stream = destination({ dest: 1, sync: false, maxLength: maxWaitingBytes })
  let isLost = false
  stream.on('error', () => {
    isLost = true
    // What could not be written would be tried again as the process exits, for ever.
    stream.flushSync = () => {}
  })

  async function end() {
    if (isLost) return
    await new Promise<void>((resolve) => {
      stream.once('close', resolve)
      stream.once('error', () => resolve())
      stream.end()
    })
  }

  return { stream, end }
}

/** How loud a failure is: a database that is away is the same failure everywhere, and mends without us. */
export function levelOf(error: unknown): 'warn' | 'error' {
  return isDatabaseAway(error) ? 'warn' : 'error'
}
