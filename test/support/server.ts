import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { startApp } from '../../src/app.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { type Client, createClient } from './client.ts'

export interface TestServer extends Client {
  databasePath: string
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
 * Starts a server on data of its own, configured as by the environment `env`. Log lines go to `logTo`; `now` is
 * what it takes for the time.
 */
export async function startServer(
  env: Record<string, string> = {},
  logTo?: (line: string) => void,
  now: Clock = systemClock,
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
  const databasePath = join(folder, 'parley.db')
  const start = (more: Record<string, string> = {}) => {
    const config = loadConfig({ ...testEnv, DATABASE_URL: `sqlite:${databasePath}`, ...env, ...more })
    const log = logTo ? pino({ level: 'trace' }, { write: logTo }) : pino({ level: 'silent' })
    return startApp(config, log, '0.0.0-test', now)
  }
  const removeFolder = () => rmSync(folder, { recursive: true, force: true })
  let app = await start().catch((error: unknown) => {
    removeFolder()
    throw error
  })
  const client = createClient(() => app.url, env['API_KEY'])
  return {
    ...client,
    // It has another address after a restart.
    get url() {
      return client.url
    },
    databasePath,
    async stop() {
      await app.stop()
      removeFolder()
    },
    async restart(more) {
      await app.stop()
      app = await start(more)
    },
  }
}
