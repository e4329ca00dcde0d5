import { createHash, type Hash } from 'node:crypto'
import type { EventRow } from '../storage/schema.ts'
import { type CopyStore, type Row, type Table, tables } from './store.ts'

const rowsPerPage = 500
const repliesPerPage = 200

/** What a table holds, in a form that is the same on every engine. */
export interface Digest {
  rows: number
  /** SHA-256, in hexadecimal. */
  hash: string
}

export type Digests = Record<Table, Digest>

/**
 * Counts and hashes every row of every table, in the order of ids. Left out is only what each database gives
 * itself: the number of a log, in whose place events have the id of their reply, and the node of a reply.
 * `onRows` hears of the progress.
 */
export async function digestAll(
  store: Pick<CopyStore, 'rowsOf' | 'eventsOf'>,
  onRows: (rows: number) => void,
): Promise<Digests> {
  const running = Object.fromEntries(
    tables.map((table) => [table, { rows: 0, hash: createHash('sha256') }]),
  ) as Record<Table, { rows: number; hash: Hash }>

  function add(table: Table, rows: number, lines: string[]) {
    const total = running[table]
    total.rows += rows
    for (const line of lines) total.hash.update(line)
    if (rows > 0) onRows(rows)
  }

  for (const table of ['interactions', 'branches', 'messages', 'changes'] as const) {
    for await (const page of store.rowsOf(table, rowsPerPage)) add(table, page.length, page.map(canonical))
  }
  for await (const page of store.rowsOf('replies', repliesPerPage)) {
    add('replies', page.length, page.map(replyOf))
    await addEvents(page)
  }

  /** A hash for each log, and of these one in the order of the replies: logs have another order elsewhere. */
  async function addEvents(replies: Array<Row<'replies'>>) {
    const ids = new Map(replies.map(({ id, log }) => [log, id]))
    const hashes = new Map<string, Hash>()
    for await (const events of store.eventsOf([...ids.keys()])) {
      for (const { log, ...event } of events) {
        const reply = ids.get(log) ?? ''
        const hash = hashes.get(reply) ?? createHash('sha256')
        hashes.set(reply, hash.update(canonical({ ...event, reply })))
      }
      add('events', events.length, [])
    }
    const inOrder = replies.flatMap(({ id }) => hashes.get(id)?.digest('hex') ?? [])
    add('events', 0, inOrder)
  }

  return Object.fromEntries(
    tables.map((table) => [table, { rows: running[table].rows, hash: running[table].hash.digest('hex') }]),
  ) as Digests
}

function replyOf({ log, node, ...row }: Row<'replies'>): string {
  return canonical(row)
}

/** JSON with its keys in order, on a line of its own. */
function canonical(row: object | Omit<EventRow, 'log'>): string {
  return `${JSON.stringify(Object.fromEntries(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1))))}\n`
}

/** The tables in which two databases differ. */
export function differing(one: Digests, other: Digests): Table[] {
  return tables.filter(
    (table) => one[table].rows !== other[table].rows || one[table].hash !== other[table].hash,
  )
}
