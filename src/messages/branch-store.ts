import { type Page, pageOf, type PageRequest, readingOrder } from '../paging.ts'
import type { BranchRow } from '../storage/schema.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import { own, type Path, trunk } from './path.ts'

/** Another way that a conversation went. What came first is branch 0, which is kept nowhere. */
export interface Branch {
  id: string
  interactionId: string
  /** 1, 2, 3, … in the order of their making. */
  number: number
  /** The last position that it shares with the branch it left; 0 where it shares none. */
  forkPosition: number
  firstPosition: number
  /** What it shares with others. */
  shared: Path
  createdAt: number
}

const columns = [
  'id',
  'interaction_id',
  'number',
  'fork_position',
  'first_position',
  'path_json',
  'created_at',
] as const

/** The SQL of branches. Whoever writes them holds their interaction. */
export function createBranchStore(storage: Storage) {
  async function insert(tx: Transaction, branch: Branch): Promise<void> {
    await tx
      .insertInto('branches')
      .values({
        id: branch.id,
        interaction_id: branch.interactionId,
        number: branch.number,
        fork_position: branch.forkPosition,
        first_position: branch.firstPosition,
        path_json: JSON.stringify(branch.shared.map(({ branch: number, upTo }) => [number, upTo])),
        created_at: branch.createdAt,
      })
      .execute()
  }

  /** How many there are beside what came first: the number of the newest. */
  async function count(tx: Transaction, interactionId: string): Promise<number> {
    const row = await tx
      .selectFrom('branches')
      .select('number')
      .where('interaction_id', '=', interactionId)
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row?.number ?? 0
  }

  const selectPath = storage.prepare(
    (db, given: { interactionId: string; number: number }) =>
      db
        .selectFrom('branches')
        .select('path_json')
        .where('interaction_id', '=', given.interactionId)
        .where('number', '=', given.number),
    { beforeDurable: true },
  )

  /** The way to the newest message of a branch; undefined where there is no such branch. */
  async function pathOf(
    on: Database | Transaction,
    interactionId: string,
    number: number,
  ): Promise<Path | undefined> {
    if (number === 0) return trunk
    const { rows } = await selectPath(on, { interactionId, number })
    return rows[0] && [...sharedFrom(rows[0].path_json), own(number)]
  }

  /** What those branches of an interaction share that have messages of their own. */
  async function sharedInUse(tx: Transaction, interactionId: string): Promise<Path[]> {
    const rows = await tx
      .selectFrom('branches')
      .select('path_json')
      .where('interaction_id', '=', interactionId)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('messages')
            .select('messages.id')
            .whereRef('messages.interaction_id', '=', 'branches.interaction_id')
            .whereRef('messages.branch', '=', 'branches.number')
            .whereRef('messages.position', '>=', 'branches.first_position'),
        ),
      )
      .execute()
    return rows.map(({ path_json }) => sharedFrom(path_json))
  }

  /** All of an interaction: there are as many as may be made. */
  async function allOf(interactionId: string): Promise<Branch[]> {
    const rows = await storage.db
      .selectFrom('branches')
      .select(columns)
      .where('interaction_id', '=', interactionId)
      .orderBy('number')
      .execute()
    return rows.map((row) => fromRow(row))
  }

  async function list(interactionId: string, request: PageRequest): Promise<Page<Branch>> {
    const { limit, order, after, before } = request
    const [behind, inFront] = order === 'asc' ? (['>', '<'] as const) : (['<', '>'] as const)
    let query = storage.db
      .selectFrom('branches')
      .select(columns)
      .where('interaction_id', '=', interactionId)
      .orderBy('id', readingOrder(request))
      .limit(limit + 1)
    if (after !== undefined) query = query.where('id', behind, after)
    if (before !== undefined) query = query.where('id', inFront, before)
    const page = pageOf(await query.execute(), request)
    return { ...page, data: page.data.map((row) => fromRow(row)) }
  }

  return { insert, count, pathOf, sharedInUse, allOf, list }
}

export type BranchStore = ReturnType<typeof createBranchStore>

function fromRow(row: BranchRow): Branch {
  return {
    id: row.id,
    interactionId: row.interaction_id,
    number: row.number,
    forkPosition: row.fork_position,
    firstPosition: row.first_position,
    shared: sharedFrom(row.path_json),
    createdAt: row.created_at,
  }
}

function sharedFrom(json: string): Path {
  return (JSON.parse(json) as Array<[number, number]>).map(([branch, upTo]) => ({ branch, upTo }))
}
