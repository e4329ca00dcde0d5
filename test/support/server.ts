import { pino } from 'pino'
import { startApp } from '../../src/app.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { type Client, createClient } from './client.ts'
import { createDatabase } from './database.ts'

export interface TestServer extends Client {
  databaseUrl: string
  stop(): Promise<void>
  /** Stops it and starts it again on the same data. */
  restart(env?: Record<string, string>): Promise<void>
}

/** What keeps a test server to itself, fast and quiet. */
const testEnv = {
  PORT: '0',
  DETECT: 'off',
  ELIZA_TOKEN_MS: '0',
  RETRY_BASE_MS: '1',
  STOP_GRACE_MS: '0',
}

/**
 * Starts a server, configured as by the environment `env`, on data of its own unless that has a DATABASE_URL. Log lines go to `logTo`; `now` is
 * what it takes for the time.
 */
export async function startServer(
  env: Record<string, string> = {},
  logTo?: (line: string) => void,
  now: Clock = systemClock,
): Promise<TestServer> {
  const given = env['DATABASE_URL']
  const database = given === undefined ? await createDatabase() : undefined
  const databaseUrl = given ?? database?.url ?? ''
  const start = (more: Record<string, string> = {}) => {
    const config = loadConfig({ ...testEnv, ...env, DATABASE_URL: databaseUrl, ...more })
    const log = logTo ? pino({ level: 'trace' }, { write: logTo }) : pino({ level: 'silent' })
    return startApp(config, log, '0.0.0-test', now)
  }
  let app = await start().catch(async (error: unknown) => {
    await database?.remove()
    throw error
  })
  const client = createClient(() => app.url, env['API_KEY'])
  return {
    ...client,
    // It has another address after a restart.
    get url() {
      return client.url
    },
    databaseUrl,
    async stop() {
      await app.stop()
      await database?.remove()
    },
    async restart(more) {
      await app.stop()
      app = await start(more)
    },
  }
}
