import { Client } from 'pg'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNotices, type Notices } from '../../src/storage/notices.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

const gatherMs = 20

describe('what a node tells the others', () => {
  let database: TestDatabase
  let teller: Notices
  let hearer: Notices
  let heard: string[]

  beforeEach(async () => {
    database = await createDatabase()
    const log = pino({ level: 'silent' })
    teller = createNotices({ url: database.url, log })
    hearer = createNotices({ url: database.url, log })
    heard = []
    hearer.listen('advanced', (value) => void heard.push(value))
    await Promise.all([teller.start(), hearer.start()])
  })
  afterEach(async () => {
    await Promise.all([teller.stop(), hearer.stop()])
    await database.remove()
  })

  test('goes at once where nothing was told just before', async () => {
    const took: number[] = []
    for (let told = 1; told <= 10; told += 1) {
      await new Promise((resolve) => setTimeout(resolve, gatherMs + 5))
      const startedAt = performance.now()
      teller.tell('advanced', `reply-${told}`)
      await until('heard', () => heard.length === told)
      took.push(performance.now() - startedAt)
    }
    // A busy machine may delay some of them, but a pause would delay each.
    expect(Math.min(...took)).toBeLessThan(gatherMs)
  })

  test('is gathered while much happens: a few notices tell all of it', async () => {
    const client = new Client({ connectionString: database.url })
    await client.connect()
    let notices = 0
    client.on('notification', () => (notices += 1))
    await client.query('listen parley')
    const startedAt = performance.now()
    for (let told = 1; told <= 500; told += 1) {
      teller.tell('advanced', `reply-${told}`)
      if (told % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await until('all heard', () => new Set(heard).size === 500)
    await client.query('select 1')
    // The first goes at once.
    expect(notices).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - startedAt) / gatherMs))
    await client.end()
  })
})
