import { expect, test, vi } from 'vitest'
import { createGroupCommit } from '../../../src/storage/group-commit.ts'
import { openSqlite } from '../../../src/storage/sqlite-connection.ts'
import { interactionRow, openStorage } from '../../support/storage.ts'

const none = { atCommit: [], afterCommit: [] }

test('what is committed is told, and read, only when the disk has it', async () => {
  const { storage, remove } = await openStorage()
  const count = (options?: { beforeDurable: boolean }) =>
    storage.prepare(
      (db, given: { owner: string }) =>
        db.selectFrom('interactions').select('id').where('owner_id', '=', given.owner),
      options,
    )
  const [early, prepared] = [count({ beforeDurable: true }), count()]
  const order: string[] = []
  const reads: Array<Promise<unknown>> = []
  const read = (name: string, rows: Promise<unknown>) => reads.push(rows.then(() => order.push(name)))

  await storage.write(async (tx) => {
    await tx.insertInto('interactions').values(interactionRow()).execute()
    storage.afterCommit(tx, () => order.push('durable'))
    storage.atCommit(tx, () => {
      read('read', storage.db.selectFrom('interactions').select('id').execute())
      read('read', prepared(storage.db, { owner: 'local' }))
      read('read early', early(storage.db, { owner: 'local' }))
      reads.push(microtasks().then(() => order.push('before the disk can have answered')))
    })
  })
  await Promise.all(reads)
  expect(order.slice(0, 2)).toEqual(['read early', 'before the disk can have answered'])
  expect(order.slice(2).toSorted()).toEqual(['durable', 'read', 'read'])
  await remove()
})

test('a disk that fails ends the process: nothing is told that may not be kept', async () => {
  const uncaught: unknown[] = []
  const microtask = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
    try {
      task()
    } catch (error) {
      uncaught.push(error)
    }
  })
  const broken = Object.assign(new Error('i/o error'), { code: 'EIO' })
  const writer = openSqlite(':memory:', { readOnly: false })
  const { enqueue } = createGroupCommit(writer, {
    sync: () => Promise.reject(broken),
    syncNow: () => {
      throw broken
    },
  })
  const told: string[] = []
  const effects = (name: string) => ({ ...none, afterCommit: [() => told.push(name)] })
  const refused = { code: 'storage_unavailable' }
  const aside = enqueue(async () => ({ ...effects('first'), atCommit: [() => {}] }))
  await expect(aside).rejects.toMatchObject(refused)
  await expect(enqueue(async () => effects('second'))).rejects.toMatchObject(refused)
  microtask.mockRestore()
  expect(uncaught).toEqual([expect.objectContaining({ ...refused, cause: broken })])
  expect(told).toEqual([])
  writer.close()
})

/** Resolves when whatever needs no answer from outside has been done. */
async function microtasks() {
  for (let left = 200; left > 0; left -= 1) await Promise.resolve()
}
