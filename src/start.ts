import { readFileSync } from 'node:fs'
import closeWithGrace from 'close-with-grace'
import { type App, startApp } from './app.ts'
import { type Config, loadConfig } from './config.ts'
import { isDatabaseAway, StartupError } from './errors.ts'
import { type Log, openLog } from './log.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** Starts the server as the environment says, and ends the process when it should end. */
export async function start(env: Record<string, string | undefined>): Promise<void> {
  try {
    const config = loadConfig(env)
    const { log, end } = await openLog(config)
    const app = await startApp(config, log, version)
    endWithGrace(app, config, log, end)
    await greet(app, config, log)
  } catch (error) {
    // It may go away at any moment, also while something starts.
    if (!(error instanceof StartupError) && !isDatabaseAway(error)) throw error
    process.stderr.write(`Parley can't start.\n${error.message}\n`)
    process.exitCode = 1
  }
}

/** The first lines of the log say where to go next. */
async function greet({ url, models }: App, config: Config, log: Log): Promise<void> {
  const { role } = config
  log.info(`Parley ${version} listens on ${url} (database: ${describe(config)})`)
  if (role === 'api') log.info('It makes no answers: nodes with ROLE=worker or all do')
  if (role === 'worker') log.info('It makes answers, and serves only /healthz and /readyz')
  else log.info(`Reference, to try it in the browser: ${url}/docs`)
  const isDemo = models.defaultModel.startsWith('builtin/')
  log.info(
    `Model: ${models.defaultModel}${isDemo ? ', a demo. Set OPENAI_API_KEY or start Ollama for a real one' : ''}.` +
      (role === 'worker' ? '' : ` All: ${url}/v1/models`),
  )
  const offered = await models.list()
  const sources = Map.groupBy(offered, ({ provider, source }) => `${provider} (${source})`)
  log.info(`Providers: ${[...sources].map(([name, list]) => `${name}: ${list.length} models`).join(', ')}`)
}

/** Without the password. */
function describe({ database, role }: Config): string {
  if (database.engine === 'sqlite') return database.path
  const { host, pathname } = new URL(database.url)
  return `PostgreSQL at ${host}${pathname}; role: ${role}`
}

/** SIGTERM and SIGINT end it with grace; so does what nobody caught, because its state can't be trusted. */
function endWithGrace(app: App, config: Config, log: Log, endLog: () => Promise<void>): void {
  const spareMs = 5_000
  const options = {
    delay: config.stopGraceMs + spareMs,
    logger: false as const,
    onSecondSignal: (signal: string) => log.warn({ signal }, 'told to stop again, ending at once'),
    onTimeout: (ms: number) => log.error({ ms }, 'not stopped in time, ending'),
  }
  closeWithGrace(options, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'unexpected error, stopping')
    else log.info({ signal }, 'stopping')
    await app.stop()
    log.info('stopped')
    await endLog()
  })
}
