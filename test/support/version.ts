import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type Client, createClient } from './client.ts'

/** A migration of a version to come. */
export interface ComingMigration {
  name: string
  survivedBy: string
  /** SQL. */
  up: string[]
}

/** A copy of the program that has more migrations than this one. */
export interface Version {
  /** Starts a node of it; rejects where it does not start. */
  start(env: Record<string, string>): Promise<RunningVersion>
  remove(): void
}

export interface RunningVersion extends Client {
  stop(): Promise<void>
}

const root = new URL('../..', import.meta.url).pathname

export function makeVersion(migrations: ComingMigration[]): Version {
  const folder = mkdtempSync(join(tmpdir(), 'parley-version-'))
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const migration of migrations) addMigration(join(folder, 'src/storage'), migration)
  return {
    start: (env) => startNode(folder, env),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** As ARCHITECTURE.md says: a file, and a line in migrate.ts. */
function addMigration(storage: string, { name, survivedBy, up }: ComingMigration) {
  const statements = up.map((text) => `  await sql.raw(${JSON.stringify(text)}).execute(db)\n`)
  writeFileSync(
    join(storage, 'migrations', `${name}.ts`),
    `import { type Kysely, sql } from 'kysely'\n\nexport const survivedBy = '${survivedBy}'\n\n` +
      `export async function up(db: Kysely<never>): Promise<void> {\n${statements.join('')}}\n`,
  )
  const path = join(storage, 'migrate.ts')
  const list = 'const steps: Record<string, Step> = {\n'
  const given = `m${name.slice(0, 4)}`
  const [before = '', after = ''] = readFileSync(path, 'utf8').split(list)
  const end = after.indexOf('\n}')
  writeFileSync(
    path,
    `import * as ${given} from './migrations/${name}.ts'\n${before}${list}${after.slice(0, end)}\n` +
      `  '${name}': ${given},${after.slice(end)}`,
  )
}

async function startNode(folder: string, env: Record<string, string>): Promise<RunningVersion> {
  const [{ startApp }, { loadConfig }] = await Promise.all([
    load<typeof import('../../src/app.ts')>(folder, 'app.ts'),
    load<typeof import('../../src/config.ts')>(folder, 'config.ts'),
  ])
  const config = loadConfig({ PORT: '0', DETECT: 'off', STOP_GRACE_MS: '0', ...env })
  const app = await startApp(config, pino({ level: 'silent' }), '0.0.0-coming')
  let stopped: Promise<void> | undefined
  return { ...createClient(() => app.url), stop: () => (stopped ??= app.stop()) }
}

function load<Module>(folder: string, file: string): Promise<Module> {
  return import(join(folder, 'src', file)) as Promise<Module>
}
