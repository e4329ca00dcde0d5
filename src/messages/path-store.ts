import { type Page, pageOf, type PageRequest, readingOrder } from '../paging.ts'
import type { Database, Storage, Transaction } from '../storage/storage.ts'
import { createBranchStore } from './branch-store.ts'
import type { Message } from './message.ts'
import { type Path, type Place, segmentsBetween } from './path.ts'
import { columns, fromRow, type Joined } from './row.ts'

/** The SQL of messages along the ways of a conversation. It only reads. */
export function createPathStore(storage: Storage) {
  const branches = createBranchStore(storage)

  /** What the first message of its branch follows: it is on another one. */
  async function acrossFork(
    on: Database | Transaction,
    { interactionId, branch, position }: Pick<Message, 'interactionId' | 'branch' | 'position'>,
  ): Promise<string | null> {
    if (branch === 0) return null
    const path = (await branches.pathOf(on, interactionId, branch)) ?? []
    return newestBefore(on, interactionId, path, position)
  }

  /** The newest message of `path` in front of `position`. */
  async function newestBefore(
    on: Database | Transaction,
    interactionId: string,
    path: Path,
    position: number,
  ): Promise<string | null> {
    for (const segment of segmentsBetween(path, 0, position, 'desc')) {
      // The first that has one is the last that is asked.
      const before = Math.min(position, segment.upTo + 1)
      const { rows } = await selectBefore(on, { interactionId, branch: segment.branch, position: before })
      if (rows[0]) return rows[0].id
    }
    return null
  }

  const selectBefore = storage.prepare(
    (db, given: { interactionId: string; branch: number; position: number }) =>
      db
        .selectFrom('messages')
        .select('id')
        .where('interaction_id', '=', given.interactionId)
        .where('branch', '=', given.branch)
        .where('position', '<', given.position)
        .orderBy('position', 'desc')
        .limit(1),
  )

  const selectBehind = storage.prepare(
    (db, given: { interactionId: string; branch: number; position: number }) =>
      db
        .selectFrom('messages')
        .select(['id', 'position'])
        .where('interaction_id', '=', given.interactionId)
        .where('branch', '=', given.branch)
        .where('position', '>', given.position)
        .orderBy('position')
        .limit(1),
  )

  /** The next message of a branch behind a position. */
  async function nextBehind(
    on: Database | Transaction,
    interactionId: string,
    { branch, position }: Place,
  ): Promise<{ id: string; position: number } | undefined> {
    const { rows } = await selectBehind(on, { interactionId, branch, position })
    return rows[0]
  }

  /** The id of it. */
  async function idBehind(
    on: Database | Transaction,
    interactionId: string,
    place: Place,
  ): Promise<string | undefined> {
    return (await nextBehind(on, interactionId, place))?.id
  }

  /**
   * A page of the messages along `path`. The name of the cursor, where one of `request` is no message of the
   * interaction.
   */
  async function list(
    interactionId: string,
    path: Path,
    request: PageRequest,
  ): Promise<Page<Message> | 'after' | 'before'> {
    const { after, before } = request
    const places = await placesOf(
      interactionId,
      [after, before].filter((id) => id !== undefined),
    )
    if (after !== undefined && !places.has(after)) return 'after'
    if (before !== undefined && !places.has(before)) return 'before'
    const bounds = [after, before].map((id) => (id === undefined ? undefined : places.get(id)?.position))
    const [behind, inFront] = request.order === 'asc' ? bounds : bounds.toReversed()
    const rows = await rowsAlong(interactionId, path, { behind, inFront, request })
    const page = pageOf(rows, request)
    const inOrder = request.order === 'asc' ? page.data : page.data.toReversed()
    const [first] = inOrder
    let parentId = first ? await newestBefore(storage.db, interactionId, path, first.position) : null
    const messages: Message[] = []
    for (const row of inOrder) {
      messages.push(fromRow(row, parentId))
      parentId = row.id
    }
    return { ...page, data: request.order === 'asc' ? messages : messages.toReversed() }
  }

  /** One more than the page has, where there are more; both bounds are excluded. */
  async function rowsAlong(
    interactionId: string,
    path: Path,
    given: { behind: number | undefined; inFront: number | undefined; request: PageRequest },
  ) {
    const { behind = 0, inFront = Number.MAX_SAFE_INTEGER, request } = given
    const order = readingOrder(request)
    const rows: Joined[] = []
    for (const { branch, upTo } of segmentsBetween(path, behind, inFront, order)) {
      const missing = request.limit + 1 - rows.length
      if (missing === 0) break
      // Each begins where the one before it ended: mostly one is enough.
      const page = await storage.db
        .selectFrom('messages')
        .leftJoin('replies', 'replies.id', 'messages.id')
        .select(columns)
        .where('messages.interaction_id', '=', interactionId)
        .where('messages.branch', '=', branch)
        .where('messages.position', '>', behind)
        .where('messages.position', '<', Math.min(inFront, upTo + 1))
        .orderBy('messages.position', order)
        .limit(missing)
        .execute()
      rows.push(...page)
    }
    return rows
  }

  /** Where those of `ids` stand that are messages of the interaction. */
  async function placesOf(interactionId: string, ids: string[]): Promise<Map<string, Place>> {
    if (ids.length === 0) return new Map()
    const rows = await storage.db
      .selectFrom('messages')
      .select(['id', 'branch', 'position'])
      .where('id', 'in', ids)
      .where('interaction_id', '=', interactionId)
      .execute()
    return new Map(rows.map(({ id, ...place }) => [id, place]))
  }

  return { acrossFork, nextBehind, idBehind, placesOf, list }
}
