import { randomUUID } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { administer, createDatabase } from '../support/database.ts'
import { startRefused } from '../support/refused-start.ts'

test('a node whose port is taken says so, and ends', async () => {
  const database = await createDatabase()
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const { code, said } = await startRefused({ DATABASE_URL: database.url, PORT: String(port) })
  expect(code).toBe(1)
  expect(said).toContain(`PORT: ${port} on 127.0.0.1 is taken by another program`)
  other.close()
  await database.remove()
})

test('a node that cannot get a session of its own says which setting is wrong, and ends', async () => {
  const database = await createDatabase()
  const nowhere = new URL(database.url)
  nowhere.pathname = '/nowhere'
  const { code, said } = await startRefused({
    DATABASE_URL: database.url,
    DATABASE_DIRECT_URL: nowhere.href,
  })
  expect(code).toBe(1)
  expect(said).toContain('DATABASE_DIRECT_URL: PostgreSQL at')
  expect(said).toContain('has no such database')
  await database.remove()
})

test('a node whose database goes away while it starts says so, and ends', async () => {
  const database = await createDatabase()
  const user = `few_${randomUUID().replaceAll('-', '')}`
  // Enough for the tables, and none for the queue.
  await administer(`create role ${user} login connection limit 1 in role postgres`)
  const url = new URL(database.url)
  url.username = user
  const { code, said } = await startRefused({ DATABASE_URL: url.href })
  expect(code).toBe(1)
  expect(said).toContain('DATABASE_URL: PostgreSQL at')
  expect(said).toContain('cannot be reached')
  expect(said).not.toContain('    at ')
  await database.remove()
  await administer(`drop role ${user}`)
})
