import { type AddressInfo, createServer } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createDatabase } from '../support/database.ts'
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
