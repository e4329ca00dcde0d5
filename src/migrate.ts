import { realpathSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { copyAll, type Progress, type Side } from './copy/copy.ts'
import type { Digests } from './copy/digest.ts'
import { inThousands, progressLine } from './copy/progress.ts'
import { tables } from './copy/store.ts'
import { StartupError } from './errors.ts'
import { database, type DatabaseSetting } from './settings.ts'
import type { MigrateOptions } from './storage/migrate.ts'
import { placeOf } from './storage/postgres-errors.ts'
import { openPostgresStorage } from './storage/postgres.ts'
import { openSqliteStorage } from './storage/sqlite.ts'

const usage = `Copies everything from one database to another, which must be empty, and compares the two.
Stop the server first. What was interrupted goes on when it is started again.

  npm run migrate -- --from sqlite:./data/parley.db --to postgres://<user>:<password>@<host>/<database>
  npm run migrate -- --from postgres://<user>:<password>@<host>/<database> --to sqlite:./data/parley.db
`
/** A count of 100 million rows takes so long; nobody waits for this server. */
const statementTimeoutMs = 3_600_000

await migrate(process.argv.slice(2))

/** The command line of copying; ends with another status than 0 where the target is not a whole copy. */
async function migrate(args: string[]): Promise<void> {
  const sides: Side[] = []
  try {
    const { from, to } = parse(args)
    // Of a schema that it does not know it would leave out what is new.
    const source = await open('--from', from, { mustExist: true, mayBeNewer: false })
    sides.push(source)
    const target = await open('--to', to, { mustExist: false, mayBeNewer: false })
    sides.push(target)
    say(`from ${source.place} to ${target.place}`)
    say(summary(await copyAll(source, target, showProgress())))
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const message = error instanceof StartupError ? error.message : (error.stack ?? error.message)
    process.stderr.write(`Not migrated.\n${message}\n`)
    process.exitCode = 1
  } finally {
    for (const { storage } of sides) await storage.close()
  }
}

function parse(args: string[]): { from: DatabaseSetting; to: DatabaseSetting } {
  try {
    const { values } = parseArgs({ args, options: { from: { type: 'string' }, to: { type: 'string' } } })
    return { from: read('--from', values.from), to: read('--to', values.to) }
  } catch (error) {
    throw new StartupError(`${(error as Error).message}\n\n${usage}`)
  }
}

function read(option: string, text: string | undefined): DatabaseSetting {
  const example = { engine: 'sqlite', path: './data/parley.db' } as const
  const setting = database(option, { about: '', example: `sqlite:${example.path}`, default: example })
  if (text === undefined) throw new Error(`${option} is missing`)
  return setting.read(text)
}

/** What is wrong with one of the two is said of its option. */
async function open(option: string, setting: DatabaseSetting, how: MigrateOptions): Promise<Side> {
  try {
    return setting.engine === 'sqlite'
      ? await openFile(setting.path, how)
      : await openCluster(setting.url, how)
  } catch (error) {
    if (!(error instanceof StartupError)) throw error
    throw new StartupError(error.message.replace('DATABASE_URL', option), { cause: error })
  }
}

async function openFile(path: string, how: MigrateOptions): Promise<Side> {
  const storage = await openSqliteStorage(path, how)
  return { storage, place: `sqlite:${realpathSync(path)}` }
}

async function openCluster(url: string, how: MigrateOptions): Promise<Side> {
  const storage = await openPostgresStorage(url, {
    ...how,
    maxConnections: tables.length,
    statementTimeoutMs,
    // Whoever uses the connection next hears of it.
    onError: () => {},
  })
  return { storage, place: `postgres://${placeOf(url)}` }
}

/** Says how far it is: on a terminal in one line that changes, elsewhere in a line every two seconds. */
function showProgress(): (progress: Progress) => void {
  const { isTTY } = process.stdout
  let step: Progress['step'] | undefined
  let before = 0
  let startedAt = 0
  let shownAt = 0
  return (progress) => {
    const now = performance.now()
    if (progress.step !== step) {
      // Rows that an earlier run copied do not count for the speed of this one.
      before = step ? 0 : progress.rows
      startedAt = now
      if (isTTY && step) say('')
      step = progress.step
    } else if (now - shownAt < (isTTY ? 100 : 2_000) && progress.rows < progress.total) {
      return
    }
    shownAt = now
    const line = progressLine(progress, progress.rows - before, now - startedAt)
    process.stdout.write(isTTY ? `\r\x1b[K${line}` : `${line}\n`)
  }
}

function summary(digests: Digests): string {
  const lines = tables.map((table) => {
    const { rows, hash } = digests[table]
    return `  ${table.padEnd(12)} ${inThousands(rows).padStart(12)} rows  SHA-256 ${hash}`
  })
  return ['', 'The same on both sides:', ...lines].join('\n')
}

function say(line: string) {
  process.stdout.write(`${line}\n`)
}
