import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createIdempotency, type Idempotency } from '../../src/idempotency/idempotency.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { engine } from '../support/database.ts'
import { openStorage } from '../support/storage.ts'

const hourMs = 3_600_000

describe(`keys on ${engine}`, () => {
  let storage: Storage
  let remove: () => Promise<void>
  let keys: Idempotency
  let time: number

  beforeEach(async () => {
    ;({ storage, remove } = await openStorage())
    time = 1
    keys = createIdempotency({ storage, now: () => time, keptHours: 24, log: pino({ level: 'silent' }) })
  })
  afterEach(() => remove())

  const use = (key: string) =>
    keys.once({ ownerId: 'local', key, fingerprint: 'same' }, ({ remember }) =>
      storage.write((tx) => remember(tx, { message: `made at ${time}` })),
    )

  async function kept(): Promise<string[]> {
    const rows = await storage.db.selectFrom('idempotency_keys').select('key').orderBy('key').execute()
    return rows.map(({ key }) => key)
  }

  test('are forgotten when they are old, however many there are', async () => {
    for (let count = 0; count < 20; count += 1) await use(`old ${count}`)
    time += 23 * hourMs
    await use('young')
    await keys.prune()
    expect(await kept()).toHaveLength(21)
    time += 2 * hourMs
    await keys.prune()
    expect(await kept()).toEqual(['young'])
  })

  test('are forgotten when they are old, also where the same comes again and again', async () => {
    const ask = (key: string, tries?: number) =>
      keys.once(
        { ownerId: 'local', key, fingerprint: 'same', ...(tries !== undefined && { tries }) },
        ({ remember }) => storage.write((tx) => remember(tx, { message: key })),
        async () => 'ended' as const,
      )
    const recurring = Array.from({ length: 1_000 }, (_, index) => `recurring ${index}`)
    for (let hour = 0; hour <= 48; hour += 12) {
      await Promise.all(recurring.map((key) => ask(key, 0)))
      await ask(`at ${hour}`)
      await keys.prune()
      time += 12 * hourMs
    }
    expect((await kept()).filter((key) => key.startsWith('at'))).toEqual(['at 24', 'at 36', 'at 48'])
  })

  test('a first try that its own retry has overtaken does nothing, if its client has left', async () => {
    const ask = (tries: number, isGone: boolean) =>
      keys.once(
        { ownerId: 'local', key: 'overtaken', fingerprint: 'same', tries, isGone: () => isGone },
        ({ remember }) => storage.write((tx) => remember(tx, { message: `try ${tries}` })),
        async () => 'ended' as const,
      )
    await ask(1, false)
    await expect(ask(0, true)).rejects.toMatchObject({ code: 'request_timeout' })
    expect(await ask(2, false)).toEqual({ repeated: { message: 'try 1' } })
  })

  test('of another owner are other keys', async () => {
    const both = await Promise.all(
      ['one', 'other'].map((ownerId) =>
        keys.once({ ownerId, key: 'same', fingerprint: ownerId }, ({ remember }) =>
          storage.write(async (tx) => {
            await remember(tx, { message: ownerId })
            return ownerId
          }),
        ),
      ),
    )
    expect(both).toEqual([{ done: 'one' }, { done: 'other' }])
  })

  test('what fails is rolled back with its key', async () => {
    const fails = keys.once({ ownerId: 'local', key: 'fails', fingerprint: 'same' }, ({ remember }) =>
      storage.write(async (tx) => {
        await remember(tx, { message: 'never' })
        throw new Error('no')
      }),
    )
    await expect(fails).rejects.toThrow('no')
    expect(await kept()).toEqual([])
  })
})
