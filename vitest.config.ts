import { defineConfig } from 'vitest/config'
import { findPostgres } from './test/support/postgres-server.ts'

const hasPostgres = process.env['TEST_DATABASE_URL'] !== undefined || findPostgres() !== undefined
if (!hasPostgres) {
  if (process.env['REQUIRE_POSTGRES']) throw new Error('no PostgreSQL: set TEST_DATABASE_URL or install it')
  process.stderr.write(
    '\n*** NOT TESTED ON POSTGRESQL: none was found. Install it (apt-get install postgresql), or set TEST_DATABASE_URL.\n\n',
  )
}

const common = {
  // One module graph for all files of a worker: isolating them costs ten times as long.
  isolate: false,
  pool: 'threads',
  maxWorkers: 3,
  testTimeout: 20_000,
  hookTimeout: 20_000,
} as const

const sqlite = {
  test: {
    ...common,
    name: 'sqlite',
    include: ['test/**/*.test.ts'],
    exclude: ['test/soak/**', 'test/cluster/**'],
  },
}

/** The same promises on the other engine; what asks nothing of a database is not asked twice. */
const postgres = {
  test: {
    ...common,
    name: 'postgres',
    include: [
      'test/{crash,events,feed,idempotency,interactions,jobs,messages,original,replies,storage,cluster}/**/*.test.ts',
      // What they read and remove has SQL of its own on each engine.
      'test/openai/{chat-stored,conversations,following,response*,retries}.test.ts',
    ],
    exclude: [
      'test/storage/sqlite/**',
      'test/feed/reader.test.ts',
      // Three minutes hold no more: here it is killed in test/cluster, and for long by `npm run soak`.
      'test/crash/{deadly,model,stop-under-load}.test.ts',
    ],
    env: { TEST_ENGINE: 'postgres' },
    globalSetup: ['test/support/postgres-setup.ts'],
  },
}

export default defineConfig({ test: { projects: hasPostgres ? [sqlite, postgres] : [sqlite] } })
