import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSqliteStorage } from '../../../src/storage/sqlite.ts'
import type { Json } from '../../support/client.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { interactionRow } from '../../support/storage.ts'
import { until } from '../../support/until.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-full-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function integrityOf(path: string) {
  const db = new DatabaseSync(path, { readOnly: true })
  const [row] = db.prepare('pragma integrity_check').all()
  db.close()
  return row?.['integrity_check']
}

test('a database that may not grow refuses what has no room, keeps the rest, and takes more once it may', async () => {
  const path = join(folder, 'bounded.db')
  const storage = await openSqliteStorage(path)
  const insert = (id: string, promptChars: number) =>
    storage.write((tx) =>
      tx
        .insertInto('interactions')
        .values({ ...interactionRow(id), prompt: 'x'.repeat(promptChars) })
        .execute(),
    )
  const limit = (pages: number) =>
    storage.write((tx) => sql`pragma max_page_count = ${sql.lit(pages)}`.execute(tx))
  await insert('a', 10)
  await limit(40)
  const outcomes = await Promise.allSettled([insert('b', 10), insert('c', 1_000_000), insert('d', 10)])
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'storage_full' })
  }
  expect(outcomes[1]?.status).toBe('rejected')

  await limit(1_000_000)
  await insert('e', 1_000_000)
  const rows = await storage.db.selectFrom('interactions').select('id').orderBy('id').execute()
  const kept = ['b', 'c', 'd'].filter((_, index) => outcomes[index]?.status === 'fulfilled')
  expect(rows.map(({ id }) => id)).toEqual(['a', ...kept, 'e'])
  await storage.close()
  expect(integrityOf(path)).toBe('ok')
})

describe('a disk that is full', () => {
  const disk = mkdtempSync(join(tmpdir(), 'parley-disk-'))
  // A small disk of its own takes the right to mount one.
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).status === 0
  const filler = join(disk, 'filler')
  const path = join(disk, 'parley.db')
  let server: TestServer

  afterAll(async () => {
    await server?.stop()
    if (isMounted) spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  })

  function fill() {
    const { bavail, bsize } = statfsSync(disk)
    writeFileSync(filler, Buffer.alloc(bavail * bsize))
  }

  test.skipIf(!isMounted)(
    'refuses posts with 507, answers reads, and loses nothing that was accepted',
    async () => {
      server = await startServer({ DATABASE_URL: `sqlite:${path}`, MAX_PROVIDER_FAILURES: '1' })
      const id = await server.begin()
      const messages = `/v1/interactions/${id}/messages`
      await server.say(id, 'Before')
      fill()

      const accepted: string[] = []
      const refused = await until('full', async () => {
        const { status, headers, body } = await server.post(messages, { content: 'x'.repeat(5_000) })
        if (status !== 201) return { status, headers, body }
        accepted.push(body.message.id, body.reply.id)
        return undefined
      })
      expect(refused).toMatchObject({ status: 507, body: { code: 'storage_full' } })
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await server.get('/healthz')).status).toBe(200)
      expect((await server.get(messages)).body.data[0]).toMatchObject({ text: 'Before' })

      rmSync(filler)
      await server.restart()
      const { reply } = await server.say(id, 'After')
      expect(reply.status).toBe('completed')
      const { data } = (await server.get(`${messages}?limit=100`)).body
      expect(data.slice(2, -2).map((message: Json) => message.id)).toEqual(accepted)
      expect(data.map(({ position }: Json) => position)).toEqual(
        data.map((_: Json, index: number) => index + 1),
      )
      expect(data.map(({ status }: Json) => status)).toEqual(data.map(() => 'completed'))
      await server.restart()
      expect(integrityOf(path)).toBe('ok')
    },
  )
})
