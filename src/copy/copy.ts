import { StartupError } from '../errors.ts'
import { createPartitions } from '../events/partitions.ts'
import { countLiveNodes } from '../jobs/nodes.ts'
import { type CopyMark, findSource, markAsCopy, takeCopy } from '../storage/copy-mark.ts'
import type { Storage } from '../storage/storage.ts'
import { differing, digestAll, type Digests } from './digest.ts'
import { createCopyStore, type CopyStore, type Table, tables } from './store.ts'

const rowsPerBatch = 500
/** They bring their events, many each, into the same transaction. */
const repliesPerBatch = 100

/** A database, and where it is, without a password. */
export interface Side {
  storage: Storage
  place: string
}

/** How far it is; `rows` were copied or compared in this step, by this run or by an earlier one. */
export interface Progress {
  step: 'copy' | 'compare'
  rows: number
  total: number
}

/**
 * Copies everything from one database to another, which has nothing of its own, and compares the two. Where an
 * earlier copy of the same was cut off, it goes on behind the last row that was committed.
 * Rejects with a StartupError that says why it does not, or how the two differ; until it has resolved, no server
 * starts on the target.
 */
export async function copyAll(
  source: Side,
  target: Side,
  onProgress: (progress: Progress) => void,
): Promise<Digests> {
  if (source.place === target.place) throw new StartupError('--from and --to are the same database.')
  await refuseInUse(source, '--from')
  await refuseInUse(target, '--to')
  const from = createCopyStore(source.storage)
  const to = createCopyStore(target.storage)
  const mark = await beginCopy(source, target, to)

  const total = await countAll(from)
  let rows = await countAll(to)
  onProgress({ step: 'copy', rows, total })
  await copyRows({ from, to, target: target.storage, mark }, (more) => {
    onProgress({ step: 'copy', rows: (rows += more), total })
  })

  const digests = await compare(from, to, total, onProgress)
  // Whoever wrote to it meanwhile, or is about to, is not in the copy.
  await refuseInUse(source, '--from')
  await target.storage.write(async (tx) => {
    await mark.hold(tx)
    await to.releaseOpen(tx)
    await mark.remove(tx)
  })
  return digests
}

async function refuseInUse({ storage, place }: Side, option: string) {
  // SQLite's file is locked already: by this process.
  const nodes = storage.engine === 'postgres' ? await countLiveNodes(storage) : 0
  if (nodes === 0) return
  throw new StartupError(
    `${option}: ${nodes} running ${nodes === 1 ? 'node uses' : 'nodes use'} ${place}. Stop them first.`,
  )
}

/** Begins a copy, or takes an unfinished one over. */
async function beginCopy(source: Side, target: Side, to: CopyStore): Promise<CopyMark> {
  const unfinished = await findSource(target.storage)
  if (unfinished === undefined) {
    const rows = await countAll(to)
    if (rows > 0) {
      throw new StartupError(
        `--to: ${target.place} has ${rows} rows of its own, or of a copy that was finished. Nothing was changed; name an empty database.`,
      )
    }
    await markAsCopy(target.storage, source.place)
  } else if (unfinished !== source.place) {
    throw new StartupError(
      `--to: ${target.place} is an unfinished copy of ${unfinished}. Finish that one, or name an empty database.`,
    )
  }
  return takeCopy(target.storage)
}

async function countAll(store: CopyStore): Promise<number> {
  const counts = await Promise.all(tables.map((table) => store.count(table)))
  return counts.reduce((sum, rows) => sum + rows, 0)
}

/** Each batch is a transaction, so that the last id in the target says where to go on. */
async function copyRows(
  parts: { from: CopyStore; to: CopyStore; target: Storage; mark: CopyMark },
  onRows: (rows: number) => void,
) {
  const { from, to, target, mark } = parts
  for (const table of ['interactions', 'branches', 'messages', 'changes'] as const) {
    for await (const rows of from.rowsOf(table, rowsPerBatch, await to.lastId(table))) {
      await target.write(async (tx) => {
        await mark.hold(tx)
        await to.insert(tx, table, rows)
      })
      onRows(rows.length)
    }
  }
  const partitions = target.engine === 'postgres' ? createPartitions(target) : undefined
  for await (const replies of from.rowsOf('replies', repliesPerBatch, await to.lastId('replies'))) {
    // A log that is taken gets the next number, which may be the next millisecond's.
    await partitions?.makeAt(replies.flatMap(({ created_at }) => [created_at, created_at + 1]))
    const copied = await target.write(async (tx) => {
      await mark.hold(tx)
      const logs = await to.insertReplies(tx, replies)
      let rows = replies.length
      for await (const events of from.eventsOf([...logs.keys()])) {
        const renumbered = events.map((event) => ({ ...event, log: logs.get(event.log) ?? 0 }))
        await to.insert(tx, 'events', renumbered)
        rows += events.length
      }
      return rows
    })
    onRows(copied)
  }
}

async function compare(
  from: CopyStore,
  to: CopyStore,
  total: number,
  onProgress: (progress: Progress) => void,
): Promise<Digests> {
  let rows = 0
  const onRows = (more: number) => onProgress({ step: 'compare', rows: (rows += more), total: 2 * total })
  const [theirs, ours] = await Promise.all([digestAll(from, onRows), digestAll(to, onRows)])
  const different = differing(theirs, ours)
  if (different.length === 0) return ours
  const details = different.map((table) => difference(table, theirs, ours)).join('; ')
  throw new StartupError(
    `the copy is not the same as its source: ${details}. ` +
      'No server starts on it; make the target empty, and copy again while nobody uses the source.',
  )
}

function difference(table: Table, theirs: Digests, ours: Digests): string {
  const [one, other] = [theirs[table], ours[table]]
  return `${table} has ${one.rows} rows (SHA-256 ${one.hash}) there and ${other.rows} (${other.hash}) here`
}
