import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { newId } from '../../src/ids.ts'
import { openPostgresStorage } from '../../src/storage/postgres.ts'
import { openSqliteStorage } from '../../src/storage/sqlite.ts'
import type { Storage } from '../../src/storage/storage.ts'

/** A database that nobody else uses. */
export interface TestDatabase {
  /** As DATABASE_URL has it. */
  url: string
  /** Opens it as a server does. */
  open(): Promise<Storage>
  remove(): Promise<void>
}

/** The engine that this run of the suite is for. */
export const engine = process.env['TEST_ENGINE'] === 'postgres' ? 'postgres' : 'sqlite'

/** Made once, with its schema, so that each test copies it instead. */
export const templateName = 'parley_template'

/** Makes a database of the engine that is tested, or of another. */
export function createDatabase(of: 'sqlite' | 'postgres' = engine): Promise<TestDatabase> {
  return of === 'postgres' ? createPostgresDatabase() : createSqliteDatabase()
}

async function createSqliteDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-test-'))
  const path = join(folder, 'parley.db')
  return {
    url: `sqlite:${path}`,
    open: () => openSqliteStorage(path),
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function createPostgresDatabase(): Promise<TestDatabase> {
  const name = `parley_${newId().replaceAll('-', '')}`
  await administer(`create database ${name} template ${templateName}`)
  const url = new URL(serverUrl())
  url.pathname = `/${name}`
  return {
    url: url.href,
    open: () =>
      openPostgresStorage(url.href, {
        maxConnections: 10,
        onError: () => {},
      }),
    remove: () => administer(`drop database if exists ${name} with (force)`),
  }
}

/** Runs a statement of the server's administrator. */
export async function administer(statement: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl() })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** The PostgreSQL that the tests may make databases in; test/support/postgres-server.ts finds or starts it. */
function serverUrl(): string {
  const url = process.env['TEST_DATABASE_URL']
  if (!url) throw new Error('no PostgreSQL to test with')
  return url
}
