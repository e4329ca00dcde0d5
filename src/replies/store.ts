import { sql } from 'kysely'
import type { ReplyErrorCode } from '../errors.ts'
import type { MessageStatus, Usage } from '../messages/message.ts'
import type { ReplyRow } from '../storage/schema.ts'
import type { Storage, Transaction } from '../storage/storage.ts'

/** A reply that this process has claimed: the attempt it may write with, and what was tried before. */
export interface ClaimedReply {
  id: string
  log: number
  interactionId: string
  position: number
  model: string
  attempt: number
  crashes: number
  failures: number
  throttles: number
}

/** An open reply that waits for a worker. */
export type WaitingReply = Pick<OpenReply, 'interactionId' | 'model' | 'notBefore'>

export interface OpenReply {
  id: string
  interactionId: string
  position: number
  model: string
  status: 'queued' | 'in_progress'
  crashes: number
  notBefore: number | null
}

export interface Ending {
  status: Exclude<MessageStatus, 'queued' | 'in_progress'>
  finishReason: string | null
  usage: Usage | null
  error: { code: ReplyErrorCode; message: string } | null
}

const openColumns = ['id', 'interaction_id', 'position', 'model', 'status', 'crashes', 'not_before'] as const

/** In literals, as the partial indices have it: a query with parameters could not use them. */
const isOpen = sql<boolean>`status in ('queued', 'in_progress')`

/** The SQL of replies: only here does a reply change its state. */
export function createReplyStore(storage: Storage) {
  const insertOne = storage.prepare(
    (db, given: { id: string; interactionId: string; position: number; model: string; now: number }) =>
      db.insertInto('replies').values({
        id: given.id,
        interaction_id: given.interactionId,
        position: given.position,
        status: 'queued',
        model: given.model,
        attempt: 0,
        crashes: 0,
        failures: 0,
        throttles: 0,
        created_at: given.now,
        updated_at: given.now,
      }),
  )

  const selectNext = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('replies')
      .select(openColumns)
      .where('interaction_id', '=', given.interactionId)
      .where(isOpen)
      .orderBy('position')
      .limit(2),
  )

  /** The oldest open reply of an interaction, the one whose turn it is, and whether others wait behind it. */
  async function nextOpen(
    interactionId: string,
  ): Promise<{ reply: OpenReply | undefined; hasMore: boolean }> {
    const { rows } = await selectNext(storage.db, { interactionId })
    return { reply: rows[0] && toOpenReply(rows[0]), hasMore: rows.length > 1 }
  }

  const selectOldest = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('replies')
      .select('position')
      .where('interaction_id', '=', given.interactionId)
      .where(isOpen)
      .orderBy('position')
      .limit(1),
  )

  /**
   * Whether more than `limit` replies in front of `position` are open: the one that is being made, and those that
   * wait for it. Counts only where so many can be: counting takes longer the more there are.
   */
  async function hasMoreOpenThan(
    tx: Transaction,
    limit: number,
    { interactionId, position }: { interactionId: string; position: number },
  ): Promise<boolean> {
    const { rows } = await selectOldest(tx, { interactionId })
    const [oldest] = rows
    if (!oldest || position - oldest.position <= limit) return false
    return (await countOpen(tx, interactionId)) > limit
  }

  const selectOpenCount = storage.prepare((db, given: { interactionId: string }) =>
    db
      .selectFrom('replies')
      .select(({ fn }) => fn.countAll<number>().as('open'))
      .where('interaction_id', '=', given.interactionId)
      .where(isOpen),
  )

  async function countOpen(tx: Transaction, interactionId: string): Promise<number> {
    const { rows } = await selectOpenCount(tx, { interactionId })
    return Number(rows[0]?.open)
  }

  const raiseAttempt = storage.prepare((db, given: { id: string; node: number | null; now: number }) =>
    db
      .updateTable('replies')
      .set(({ eb }) => ({
        attempt: eb('attempt', '+', 1),
        // Whoever had it before ended without a word.
        crashes: eb('crashes', '+', eb.case().when('status', '=', 'in_progress').then(1).else(0).end()),
        status: 'in_progress',
        node: given.node,
        not_before: null,
        started_at: eb.fn.coalesce('started_at', eb.val(given.now)),
        updated_at: given.now,
      }))
      .where('id', '=', given.id)
      .where(isOpen)
      .returning([
        'log',
        'id',
        'interaction_id',
        'position',
        'model',
        'attempt',
        'crashes',
        'failures',
        'throttles',
      ]),
  )

  /** Takes the reply over. Undefined where it is not open any more. */
  async function claim(
    tx: Transaction,
    id: string,
    node: number | null,
    now: number,
  ): Promise<ClaimedReply | undefined> {
    const { rows } = await raiseAttempt(tx, { id, node, now })
    const [row] = rows
    if (!row) return undefined
    const { interaction_id, ...rest } = row
    return { ...rest, interactionId: interaction_id }
  }

  const updateSettled = storage.prepare(
    (
      db,
      given: {
        id: string
        attempt: number
        status: string
        finishReason: string | null
        usage: string | null
        error: string | null
        now: number
      },
    ) =>
      db
        .updateTable('replies')
        .set({
          status: given.status,
          finish_reason: given.finishReason,
          usage_json: given.usage,
          error_json: given.error,
          completed_at: given.now,
          updated_at: given.now,
        })
        .where('id', '=', given.id)
        .where('attempt', '=', given.attempt)
        .where('status', '=', 'in_progress'),
  )

  /** Ends the reply; false where `attempt` is not its writer any more. */
  async function settle(
    tx: Transaction,
    { id, attempt }: Pick<ClaimedReply, 'id' | 'attempt'>,
    ending: Ending,
    now: number,
  ): Promise<boolean> {
    const { changes } = await updateSettled(tx, {
      id,
      attempt,
      status: ending.status,
      finishReason: ending.finishReason,
      usage: ending.usage && JSON.stringify(ending.usage),
      error: ending.error && JSON.stringify(ending.error),
      now,
    })
    return changes > 0
  }

  /** Gives the reply back to the queue; false where `attempt` is not its writer any more. */
  async function putBack(
    tx: Transaction,
    { id, attempt }: Pick<ClaimedReply, 'id' | 'attempt'>,
    given: { notBefore: number | null; failures: number; throttles: number; now: number },
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('replies')
      .set({
        status: 'queued',
        not_before: given.notBefore,
        failures: given.failures,
        throttles: given.throttles,
        updated_at: given.now,
      })
      .where('id', '=', id)
      .where('attempt', '=', attempt)
      .where('status', '=', 'in_progress')
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }

  /**
   * The oldest open reply of each interaction behind `afterInteraction`, at most `limit` of them; only those
   * that nothing has changed since `untouchedSince`.
   */
  async function openInteractions(given: {
    afterInteraction: string
    untouchedSince: number
    limit: number
  }): Promise<OpenReply[]> {
    const rows = await storage.db
      .selectFrom('replies as reply')
      .select(openColumns)
      .where('interaction_id', '>', given.afterInteraction)
      .where('updated_at', '<=', given.untouchedSince)
      .where(isOpen)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('replies as older')
              .select('older.id')
              .whereRef('older.interaction_id', '=', 'reply.interaction_id')
              .whereRef('older.position', '<', 'reply.position')
              .where(sql<boolean>`older.status in ('queued', 'in_progress')`),
          ),
        ),
      )
      .orderBy('interaction_id')
      .limit(given.limit)
      .execute()
    return rows.map((row) => toOpenReply(row))
  }

  /** The interactions in which `node` makes an answer. */
  async function interactionsOfNode(node: number): Promise<string[]> {
    const rows = await storage.db
      .selectFrom('replies')
      .select('interaction_id')
      .where('node', '=', node)
      .where(sql<boolean>`status in ('queued', 'in_progress')`)
      .where('status', '=', 'in_progress')
      .execute()
    return rows.map(({ interaction_id }) => interaction_id)
  }

  /** The ids of the open replies among `interactionId`'s. */
  async function openIds(tx: Transaction, interactionId: string): Promise<string[]> {
    const rows = await tx
      .selectFrom('replies')
      .select('id')
      .where('interaction_id', '=', interactionId)
      .where(isOpen)
      .execute()
    return rows.map(({ id }) => id)
  }

  return {
    insert: insertOne,
    nextOpen,
    hasMoreOpenThan,
    claim,
    settle,
    putBack,
    openInteractions,
    openIds,
    interactionsOfNode,
  }
}

export type ReplyStore = ReturnType<typeof createReplyStore>

function toOpenReply(row: Pick<ReplyRow, (typeof openColumns)[number]>): OpenReply {
  return {
    id: row.id,
    interactionId: row.interaction_id,
    position: row.position,
    model: row.model,
    status: row.status === 'in_progress' ? 'in_progress' : 'queued',
    crashes: row.crashes,
    notBefore: row.not_before,
  }
}
