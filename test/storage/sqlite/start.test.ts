import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StartupError } from '../../../src/errors.ts'
import { spawnServer } from '../../support/process.ts'
import { main, startRefused } from '../../support/refused-start.ts'
import { startServer } from '../../support/server.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-file-'))
  path = join(folder, 'parley.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const env = () => ({ DATABASE_URL: `sqlite:${path}` })

/** Why a server on the file does not start, as the operator reads it. */
async function refusal(): Promise<string> {
  const error: unknown = await startServer(env()).then(
    (server) => server.stop(),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(StartupError)
  return (error as Error).message
}

/** A file of a server that ran: an interaction is in it. */
async function makeDatabase(): Promise<string> {
  const server = await startServer(env())
  const id = await server.begin()
  await server.say(id, 'Hello')
  await server.stop()
  return id
}

function fingerprint() {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

describe('a file that cannot be used', () => {
  test.each([
    ['a text', 'These are my notes.\n'.repeat(300), /is not a SQLite database/],
    [
      'a broken head',
      `SQLite format 3\u0000${'garbage'.repeat(1_000)}`,
      /is not a SQLite database|is damaged/,
    ],
  ])('%s is told and left as it is', async (_, content, message) => {
    writeFileSync(path, content)
    expect(await refusal()).toMatch(message)
    expect(readFileSync(path, 'utf8')).toBe(content)
  })

  test('a database that is damaged is told and left as it is', async () => {
    await makeDatabase()
    const bytes = readFileSync(path)
    bytes.fill(0xff, 1_000, 20_000)
    writeFileSync(path, bytes)
    const before = fingerprint()
    expect(await refusal()).toMatch(/is damaged/)
    expect(fingerprint()).toBe(before)
  })

  test("another program's database is told and left as it is", async () => {
    const other = new DatabaseSync(path)
    other.exec("create table notes (text); insert into notes values ('mine')")
    other.close()
    const before = fingerprint()
    expect(await refusal()).toMatch(/belongs to another program/)
    expect(fingerprint()).toBe(before)
  })

  test('one of a newer version is told, and that version goes on with it', async () => {
    const id = await makeDatabase()
    const db = new DatabaseSync(path)
    db.exec("insert into schema_migrations values ('9999-from-the-future', '2030-01-01T00:00:00.000Z')")
    db.close()
    const before = fingerprint()
    expect(await refusal()).toMatch(/was made by a newer version of Parley/)
    expect(fingerprint()).toBe(before)

    const newer = new DatabaseSync(path)
    newer.exec("delete from schema_migrations where name like '9999%'")
    newer.close()
    const server = await startServer(env())
    expect((await server.get(`/v1/interactions/${id}/messages`)).body.data).toHaveLength(2)
    await server.stop()
  })

  test('one of a newer version that says that this one can run with it is taken as it is', async () => {
    const id = await makeDatabase()
    const db = new DatabaseSync(path)
    db.exec("insert into schema_migrations values ('9999-expands', '2030-01-01T00:00:00.000Z')")
    db.exec("insert into schema_survivors values ('9999-expands', '0002-who-survives')")
    const server = await startServer(env())
    expect((await server.get(`/v1/interactions/${id}/messages`)).body.data).toHaveLength(2)
    await server.stop()

    db.exec("update schema_survivors set survived_by = '9998-not-known-here' where migration like '9999%'")
    db.close()
    expect(await refusal()).toMatch(/was made by a newer version of Parley/)
  })

  test('a folder in its place is told', async () => {
    mkdirSync(path)
    expect(await refusal()).toMatch(/DATABASE_URL: .*parley.db cannot be opened/)
  })

  test('a folder that cannot be made is told', async () => {
    writeFileSync(path, '')
    path = join(path, 'below', 'parley.db')
    expect(await refusal()).toMatch(/DATABASE_URL: the folder of .* cannot be made/)
  })

  test('a server that cannot start says why in a line, and ends', async () => {
    writeFileSync(path, 'These are my notes.\n'.repeat(300))
    const { code, said } = await startRefused(env())
    expect(said).toMatch(/^Parley can't start\.\nDATABASE_URL: .* is not a SQLite database.*\n$/)
    expect(code).toBe(1)
  })
})

describe('a second server on the same file', () => {
  test('is refused, while the first runs and by whatever name; its end, however it comes, frees the file', async () => {
    const first = await spawnServer(env())
    const id = await first.begin()
    const { code, said } = await startRefused(env())
    expect(said).toMatch(/another Parley is using .*parley\.db\. One SQLite file serves one process/)
    expect(code).toBe(1)
    const alias = join(folder, 'alias.db')
    symlinkSync(path, alias)
    expect((await startRefused({ DATABASE_URL: `sqlite:${alias}` })).said).toMatch(/another Parley is using/)
    expect((await first.say(id, 'Hello')).reply.status).toBe('completed')

    await first.end('SIGKILL')
    const second = await startServer(env())
    expect((await second.get(`/v1/interactions/${id}/messages`)).body.data).toHaveLength(2)
    await second.stop()
    await first.remove()
  })
})

describe('what may not be written', () => {
  const nobody = 65_534
  const uid = process.getuid?.() === 0 ? nobody : undefined
  // Not where the checkout is root's alone.
  const mayRun = uid === undefined || spawnSync(process.execPath, ['--check', main], { uid }).status === 0

  test.skipIf(!mayRun).each([
    ['a folder', () => chmodSync(folder, 0o555)],
    ['a file', () => chmodSync(path, 0o444)],
  ])('%s is told, and left as it is', async (what, protect) => {
    // Root may write anywhere: then somebody else tries it.
    if (what === 'a file') {
      await makeDatabase()
      chmodSync(folder, 0o777)
    }
    protect()
    const files = readdirSync(folder)
    const before = existsSync(path) && fingerprint()
    const { code, said } = await startRefused(env(), uid)
    expect(said).toMatch(/Parley can't start\.\nDATABASE_URL: .* cannot be (written|opened)/)
    expect(code).toBe(1)
    expect(existsSync(path) && fingerprint()).toBe(before)
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(files))
  })
})
