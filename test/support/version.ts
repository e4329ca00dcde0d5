import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
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
  /** The file to run; by default that of the server. */
  program(file?: string): string
  /** Starts a node of it in a process of its own; rejects with what it said where it does not start. */
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
  const program = (file = 'main.js') => join(folder, 'src', file)
  return {
    program,
    start: (env) => startNode(folder, program(), env),
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

async function startNode(cwd: string, file: string, env: Record<string, string>): Promise<RunningVersion> {
  const child = spawn(process.execPath, [file], {
    cwd,
    env: { ...process.env, PORT: '0', DETECT: 'off', LOG_FORMAT: 'json', STOP_GRACE_MS: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const url = await new Promise<string>((resolve, reject) => {
    void ended.then(() => reject(new Error(complaint)))
    createInterface(child.stdout).on('line', (line) => {
      const [, found] = /Parley .* listens on (\S+)/.exec(line) ?? []
      if (found) resolve(found)
    })
  })
  return {
    ...createClient(() => url),
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
