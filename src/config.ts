import { StartupError } from './errors.ts'
import { keylessBedrock, modelSettings } from './model-settings.ts'
import { address, choice, database, key, list, postgres, type Setting, whole } from './settings.ts'

/** Every setting of the server: its variable, its default and what it is for. `.env.example` is made of this. */
const settings = {
  host: address('HOST', {
    default: '127.0.0.1',
    about: 'Address to listen on. Any but a loopback address needs API_KEY, or AUTH=off.',
  }),
  port: whole('PORT', {
    default: 8000,
    min: 0,
    max: 65_535,
    about: 'Port to listen on; 0 takes a free one.',
  }),
  role: choice('ROLE', ['all', 'api', 'worker'], {
    default: 'all',
    about:
      'What this node of a cluster does: api takes requests and streams, worker makes the answers, all does both.',
  }),
  database: database('DATABASE_URL', {
    default: { engine: 'sqlite', path: './data/parley.db' },
    example: 'sqlite:./data/parley.db',
    about:
      'Where everything is kept: sqlite:<path of a file>, or postgres://<user>@<host>/<database> for many nodes.',
  }),
  databaseDirectUrl: postgres('DATABASE_DIRECT_URL', {
    secret: true,
    about:
      'The same database without PgBouncer in between, for the one connection of a node that must stay its own. Unset: DATABASE_URL.',
  }),
  databasePoolSize: whole('DATABASE_POOL_SIZE', {
    default: 10,
    min: 2,
    max: 200,
    about: 'Connections that one node opens to PostgreSQL at most, beside five for its jobs and notices.',
  }),

  apiKey: key('API_KEY', {
    minLength: 16,
    about: 'The bearer key that every request must carry (at least 16 characters). Unset: no authentication.',
  }),
  auth: choice('AUTH', ['on', 'off'], {
    default: 'on',
    about: 'off: serve without authentication even where others can reach the server.',
  }),
  allowedHosts: list('ALLOWED_HOSTS', {
    about:
      'Names by which browsers may reach a server without authentication, beside localhost (protects from DNS rebinding).',
  }),
  corsOrigins: list('CORS_ORIGINS', {
    about:
      'Origins whose pages may call the API, for example https://chat.example.com; * is any. Unset: none.',
  }),
  trustProxy: choice('TRUST_PROXY', ['on', 'off'], {
    default: 'off',
    about: 'on: believe X-Forwarded-* and X-Request-Id headers (only behind a proxy that sets them).',
  }),

  ...modelSettings,

  contextWindowTokens: whole('CONTEXT_WINDOW_TOKENS', {
    default: 32_768,
    min: 256,
    max: 100_000_000,
    about: 'Context window of models whose own is not known, in tokens.',
  }),
  firstTokenTimeoutMs: whole('FIRST_TOKEN_TIMEOUT_MS', {
    default: 30_000,
    min: 1,
    max: 3_600_000,
    about: 'How long a model may take to its first token.',
  }),
  tokenTimeoutMs: whole('TOKEN_TIMEOUT_MS', {
    default: 60_000,
    min: 1,
    max: 3_600_000,
    about: 'How long a model may be silent between two tokens.',
  }),
  replyTimeoutMs: whole('REPLY_TIMEOUT_MS', {
    default: 1_800_000,
    min: 1,
    max: 86_400_000,
    about: 'How long one answer may take in all.',
  }),
  maxReplyChars: whole('MAX_REPLY_CHARS', {
    default: 4_194_304,
    min: 1_024,
    max: 268_435_456,
    about: 'How long an answer may become, in characters; beyond that it ends as incomplete.',
  }),
  maxProviderFailures: whole('MAX_PROVIDER_FAILURES', {
    default: 4,
    min: 1,
    max: 100,
    about: 'Tries of an answer whose provider fails before the first token.',
  }),
  maxThrottles: whole('MAX_THROTTLES', {
    default: 10,
    min: 1,
    max: 1_000,
    about: 'Tries of an answer whose provider says that its rate limit is reached.',
  }),
  maxCrashes: whole('MAX_CRASHES', {
    default: 5,
    min: 1,
    max: 1_000,
    about: 'Tries of an answer during which the server was killed.',
  }),
  retryBaseMs: whole('RETRY_BASE_MS', {
    default: 500,
    min: 1,
    max: 60_000,
    about: 'Pause before the first retry; doubles with each, with jitter, up to 30 s.',
  }),
  maxRunningReplies: whole('MAX_RUNNING_REPLIES', {
    default: 1_000,
    min: 1,
    max: 100_000,
    about: 'Answers in the making at the same time.',
  }),
  maxRunningPerProvider: whole('MAX_RUNNING_PER_PROVIDER', {
    default: 256,
    min: 1,
    max: 100_000,
    about: 'The same for each provider, so that one that hangs stops nobody else.',
  }),
  maxQueuedReplies: whole('MAX_QUEUED_REPLIES', {
    default: 100_000,
    min: 1,
    max: 10_000_000,
    about: 'Answers waiting; beyond that, posts get 503 with Retry-After.',
  }),

  bodyLimitBytes: whole('BODY_LIMIT_BYTES', {
    default: 1_048_576,
    min: 1_024,
    max: 268_435_456,
    about: 'Longest request body.',
  }),
  heartbeatMs: whole('HEARTBEAT_MS', {
    default: 15_000,
    min: 100,
    max: 600_000,
    about: 'A comment is sent on silent streams this often, so that proxies keep them open.',
  }),
  maxStreams: whole('MAX_STREAMS', {
    default: 20_000,
    min: 1,
    max: 1_000_000,
    about: 'Streams open at the same time; beyond that, 503 with Retry-After.',
  }),
  eventRetentionDays: whole('EVENT_RETENTION_DAYS', {
    default: 7,
    min: 1,
    max: 36_500,
    about:
      'How long the events of finished answers are kept (on PostgreSQL until that day is over); their messages stay.',
  }),
  idempotencyHours: whole('IDEMPOTENCY_HOURS', {
    default: 24,
    min: 1,
    max: 8_760,
    about: 'How long a request that has an Idempotency-Key is recognized when it comes again.',
  }),
  stopGraceMs: whole('STOP_GRACE_MS', {
    default: 10_000,
    min: 0,
    max: 3_600_000,
    about: 'How long running answers may go on after SIGTERM; what is left is resumed at the next start.',
  }),
  logLevel: choice('LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
    default: 'info',
    about: 'How much is logged; debug adds what providers say of their failures, which can repeat a prompt.',
  }),
  logFormat: choice('LOG_FORMAT', ['auto', 'json', 'pretty'], {
    default: 'auto',
    about: 'auto: pretty on a terminal, JSON lines elsewhere.',
  }),
} satisfies Record<string, Setting<unknown>>

export type Config = { [Name in keyof typeof settings]: ReturnType<(typeof settings)[Name]['read']> }

/**
 * Reads every setting from `env` (an empty value counts as unset).
 * Throws one StartupError that names each variable that is wrong, and what would be right.
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const problems: string[] = []
  const read = (setting: Setting<unknown>) => {
    try {
      return setting.read(env[setting.variable]?.trim() || undefined)
    } catch (error) {
      problems.push((error as Error).message)
      return undefined
    }
  }
  const config = Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => [name, read(setting)]),
  ) as Config
  if (problems.length === 0) problems.push(...contradictions(config))
  if (problems.length > 0) throw new StartupError(problems.join('\n'))
  return config
}

function contradictions(config: Config): string[] {
  return [unprotected(config), alone(config), keylessBedrock(config)].filter(
    (problem) => problem !== undefined,
  )
}

function unprotected({ host, apiKey, auth, role }: Config): string | undefined {
  // A worker serves nothing but its health.
  if (isLoopback(host) || apiKey || auth === 'off' || role === 'worker') return undefined
  return (
    `HOST is ${host}, where others can reach this server, and nothing protects it: ` +
    'set API_KEY to a secret of at least 16 characters, or AUTH=off if something in front of it authenticates.'
  )
}

function alone({ role, database: { engine } }: Config): string | undefined {
  if (role === 'all' || engine === 'postgres') return undefined
  return (
    `ROLE is ${role}, and a SQLite file has one process, which does all there is to do: ` +
    'leave ROLE unset, or let DATABASE_URL name a PostgreSQL database, which many nodes can share.'
  )
}

/** Whether only this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** The text of `.env.example`. */
export function describeSettings(): string {
  const entries = Object.values(settings).map(({ variable, about, example }) => {
    return `# ${about}\n# ${variable}=${example}\n`
  })
  return `# Every setting of Parley. Copy to .env and uncomment what you change.\n\n${entries.join('\n')}`
}
