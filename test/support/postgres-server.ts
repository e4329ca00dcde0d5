import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { administer, templateName } from './database.ts'
import { freePort } from './free-port.ts'

const debian = '/usr/lib/postgresql'
/** A file system in memory, where there is one. */
const memory = '/dev/shm'
/** What the suite needs there at the most, with a lot to spare. */
const memoryBytes = 2 ** 31

/** A PostgreSQL server of our own, in a folder of its own. */
export interface PostgresServer {
  url: string
  /** Stops it, at once as a crash would or in good order, and starts it again. */
  restart(how: 'immediate' | 'fast'): Promise<void>
  remove(): Promise<void>
}

/** The folder of the newest PostgreSQL that Debian has installed. */
export function findPostgres(): string | undefined {
  if (!existsSync(debian)) return undefined
  const versions = readdirSync(debian).filter((name) => existsSync(`${debian}/${name}/bin/initdb`))
  const [newest] = versions.toSorted((a, b) => Number(b) - Number(a))
  return newest && `${debian}/${newest}/bin`
}

/** Starts a server with the programs in `bin`. What it keeps is lost with it: unless told to, it waits for no disk. */
export async function startPostgres(
  bin: string,
  settings: Record<string, string> = {},
): Promise<PostgresServer> {
  const fsync = settings['fsync'] ?? 'off'
  const folder = mkdtempSync(join(fsync === 'off' ? quickFolder() : tmpdir(), 'parley-postgres-'))
  const port = await freePort()
  // It refuses to run as root.
  const asRoot = userInfo().uid === 0
  if (asRoot) execFileSync('chown', ['postgres', folder])
  const run = async (program: string, ...args: string[]) => {
    const command = [`${bin}/${program}`, ...args]
    const [file = '', ...rest] = asRoot
      ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', ...command]
      : command
    await promisify(execFile)(file, rest, { cwd: folder })
  }
  const all = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    max_connections: '300',
    fsync,
    ...settings,
  }
  const options = Object.entries(all).map(([name, value]) => `-c ${name}=${value}`)
  const control = (...args: string[]) => run('pg_ctl', '-D', `${folder}/data`, '-w', ...args)
  const start = () => control('-l', `${folder}/log`, '-o', options.join(' '), 'start')
  const locale = ['--locale=C.UTF-8', '-E', 'UTF8']
  await run('initdb', '-D', `${folder}/data`, '-A', 'trust', '-U', 'postgres', ...locale, '-N')
  await start()
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async restart(how) {
      await control('-m', how, 'stop')
      await start()
    },
    async remove() {
      await control('-m', 'immediate', 'stop')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * A database is 330 files. ext4 looks for a place for each among all that were removed in the last seconds, so
 * that making one took 0.4 s and a core where tests make and remove one after the other; in memory it takes 0.04 s.
 */
function quickFolder(): string {
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize >= memoryBytes ? memory : tmpdir()
}

/** Makes the database that the databases of tests are copies of. */
export async function makeTemplate(serverUrl: string): Promise<void> {
  await administer(`drop database if exists ${templateName}`)
  await administer(`create database ${templateName}`)
  const url = new URL(serverUrl)
  url.pathname = `/${templateName}`
  const app = await startApp(
    loadConfig({ PORT: '0', DETECT: 'off', DATABASE_URL: url.href }),
    pino({ level: 'silent' }),
    '0.0.0-test',
  )
  await app.stop()
}
