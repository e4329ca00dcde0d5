import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Storage, Transaction } from '../../src/storage/storage.ts'
import { engine } from '../support/database.ts'
import { interactionRow, openStorage } from '../support/storage.ts'

/** An id that says its number. */
const numbered = (number: number) => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`
const [a, b] = [numbered(1), numbered(2)]

describe(`storage on ${engine}`, () => {
  let storage: Storage
  let reopen: () => Promise<Storage>
  let remove: () => Promise<void>

  beforeEach(async () => {
    ;({ storage, reopen, remove } = await openStorage())
  })
  afterEach(() => remove())

  function insert(tx: Transaction, id: string) {
    return tx.insertInto('interactions').values(interactionRow(id)).execute()
  }

  async function ids(): Promise<string[]> {
    const rows = await storage.db.selectFrom('interactions').select('id').orderBy('id').execute()
    return rows.map(({ id }) => id)
  }

  test('what was written is there, and its result comes back', async () => {
    const result = await storage.write(async (tx) => {
      await insert(tx, a)
      return 'written'
    })
    expect(result).toBe('written')
    expect(await ids()).toEqual([a])
  })

  test('a transaction sees its own writes; nobody else does until they are committed', async () => {
    const seen: unknown[] = []
    const release = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const written = storage.write(async (tx) => {
      await insert(tx, a)
      seen.push(await tx.selectFrom('interactions').select('id').execute())
      begun.resolve()
      await release.promise
    })
    await begun.promise
    expect(await ids()).toEqual([])
    release.resolve()
    await written
    expect(seen).toEqual([[{ id: a }]])
    expect(await ids()).toEqual([a])
  })

  test('work that throws leaves nothing behind, and rejects with what it threw', async () => {
    const failure = new Error('changed my mind')
    const work = storage.write(async (tx) => {
      await insert(tx, a)
      throw failure
    })
    await expect(work).rejects.toBe(failure)
    expect(await ids()).toEqual([])
  })

  test('one that fails among many takes nobody along', async () => {
    const works = Array.from({ length: 50 }, (_, index) =>
      storage.write(async (tx) => {
        await insert(tx, numbered(index))
        if (index % 5 === 0) throw new Error(`no ${index}`)
        if (index % 5 === 1) await insert(tx, numbered(index))
      }),
    )
    const outcomes = await Promise.allSettled(works)
    const kept = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
    expect(kept).toHaveLength(30)
    expect(await ids()).toEqual(kept.map((index) => numbered(index)))
  })

  test('what cannot be is refused: a child without its parent, the same twice', async () => {
    const orphan = {
      interaction_id: numbered(8),
      position: 1,
      role: 'Human',
      content_json: '[]',
      metadata_json: '{}',
    }
    const times = { tokens: 0, branch: 0, created_at: 1, updated_at: 1 }
    await expect(
      storage.write((tx) =>
        tx
          .insertInto('messages')
          .values({ id: numbered(7), ...orphan, ...times })
          .execute(),
      ),
    ).rejects.toThrow(/foreign key/i)
    await storage.write((tx) => insert(tx, a))
    await expect(storage.write((tx) => insert(tx, a))).rejects.toThrow(/unique/i)
  })

  test('effects run once it is durable, in their order, before the writer hears of it', async () => {
    const order: string[] = []
    await storage
      .write(async (tx) => {
        storage.afterCommit(tx, () => order.push('first'))
        await insert(tx, a)
        storage.afterCommit(tx, () => order.push('second'))
        order.push('work')
      })
      .then(() => order.push('resolved'))
    expect(order).toEqual(['work', 'first', 'second', 'resolved'])
  })

  test('effects of what was rolled back never run', async () => {
    const ran: string[] = []
    const fails = storage.write(async (tx) => {
      storage.afterCommit(tx, () => ran.push('failed'))
      await insert(tx, a)
      throw new Error('no')
    })
    const succeeds = storage.write(async (tx) => {
      storage.afterCommit(tx, () => ran.push('succeeded'))
    })
    await Promise.allSettled([fails, succeeds])
    expect(ran).toEqual(['succeeded'])
  })

  test('an effect may read, and write anew', async () => {
    const again = Promise.withResolvers<void>()
    await storage.write(async (tx) => {
      await insert(tx, a)
      storage.afterCommit(tx, () => void storage.write((next) => insert(next, b)).then(() => again.resolve()))
    })
    await again.promise
    expect(await ids()).toEqual([a, b])
  })

  test('an effect that throws takes back no commit, and keeps no other effect from running', async () => {
    const thrown: unknown[] = []
    const microtask = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
      try {
        task()
      } catch (error) {
        thrown.push(error)
      }
    })
    const ran: string[] = []
    await storage.write(async (tx) => {
      await insert(tx, a)
      storage.afterCommit(tx, () => {
        throw new Error('a mistake')
      })
      storage.afterCommit(tx, () => ran.push('next'))
    })
    microtask.mockRestore()
    expect({ ran, thrown }).toEqual({ ran: ['next'], thrown: [new Error('a mistake')] })
    expect(await ids()).toEqual([a])
  })

  test('the reading handle inside of a write is a mistake, and says so', async () => {
    const count = storage.prepare((db, given: { owner: string }) =>
      db.selectFrom('interactions').select('id').where('owner_id', '=', given.owner),
    )
    await expect(storage.write(() => ids())).rejects.toThrow("use the transaction's handle")
    await expect(storage.write(() => count(storage.db, { owner: 'local' }))).rejects.toThrow(
      "use the transaction's handle",
    )
  })

  test('a write inside of a write is a mistake, and says so', async () => {
    await expect(storage.write((tx) => storage.write(() => insert(tx, a)))).rejects.toThrow(
      "use the transaction's handle",
    )
    expect(await ids()).toEqual([])
  })

  test('a prepared query runs on either handle, with its own values each time', async () => {
    const insertOne = storage.prepare((db, row: ReturnType<typeof interactionRow>) =>
      db.insertInto('interactions').values({
        ...interactionRow(numbered(9)),
        id: row.id,
        owner_id: row.owner_id,
        prompt: row.prompt,
      }),
    )
    const find = storage.prepare((db, given: { ownerId: string }) =>
      db.selectFrom('interactions').select(['id', 'prompt']).where('owner_id', '=', given.ownerId),
    )
    const changes = await storage.write(async (tx) => {
      await insertOne(tx, { ...interactionRow(a), owner_id: 'alice' })
      const done = await insertOne(tx, { ...interactionRow(b), owner_id: 'bob' })
      expect((await find(tx, { ownerId: 'alice' })).rows).toEqual([{ id: a, prompt: null }])
      return done.changes
    })
    expect(changes).toBe(1)
    expect((await find(storage.db, { ownerId: 'bob' })).rows).toEqual([{ id: b, prompt: null }])
    expect((await find(storage.db, { ownerId: 'nobody' })).rows).toEqual([])
  })

  test('closing waits for what is being written, and it is there when the storage is opened again', async () => {
    const written = storage.write((tx) => insert(tx, a))
    await storage.close()
    await written
    storage = await reopen()
    expect(await ids()).toEqual([a])
  })
})
