import type { ReplyErrorCode } from '../errors.ts'
import type { MessageStatus, Usage } from '../messages/message.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import { optionsFromJson, optionsToJson, type ReplyOptions } from './options.ts'
import { createOpenReplyStore, isOpen, type WaitingReply } from './open-store.ts'

/** A reply that this process has claimed: the attempt it may write with, and what was tried before. */
export interface ClaimedReply {
  id: string
  log: number
  interactionId: string
  position: number
  model: string
  options: ReplyOptions
  attempt: number
  crashes: number
  failures: number
  throttles: number
}

export interface Ending {
  status: Exclude<MessageStatus, 'queued' | 'in_progress'>
  finishReason: string | null
  usage: Usage | null
  error: { code: ReplyErrorCode; message: string } | null
}

/** The SQL of replies: only here does a reply change its state. */
export function createReplyStore(storage: Storage) {
  const insertOne = storage.prepare(
    (
      db,
      given: {
        id: string
        interactionId: string
        position: number
        branch: number
        model: string
        options: string | null
        now: number
      },
    ) =>
      db.insertInto('replies').values({
        id: given.id,
        interaction_id: given.interactionId,
        position: given.position,
        branch: given.branch,
        status: 'queued',
        model: given.model,
        options_json: given.options,
        attempt: 0,
        crashes: 0,
        failures: 0,
        throttles: 0,
        created_at: given.now,
        updated_at: given.now,
      }),
  )

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
        'options_json',
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
    const { interaction_id: interactionId, options_json: options, ...rest } = row
    return { ...rest, interactionId, options: optionsFromJson(options) }
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

  /** Ends the reply as its client wants, whoever makes it; undefined where it is not open any more. */
  async function cancel(
    tx: Transaction,
    id: string,
    now: number,
  ): Promise<(Pick<ClaimedReply, 'log' | 'attempt'> & WaitingReply) | undefined> {
    const row = await tx
      .updateTable('replies')
      .set({ status: 'cancelled', completed_at: now, updated_at: now })
      .where('id', '=', id)
      .where(isOpen)
      .returning(['log', 'attempt', 'interaction_id', 'model', 'not_before'])
      .executeTakeFirst()
    if (!row) return undefined
    const { interaction_id: interactionId, not_before: notBefore, ...rest } = row
    return { ...rest, interactionId, notBefore }
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

  const selectOptions = storage.prepare((db, given: { id: string }) =>
    db.selectFrom('replies').select('options_json').where('id', '=', given.id),
  )

  /** What the reply was asked for; the caller has found it through its owner. */
  async function optionsOf(id: string): Promise<ReplyOptions> {
    const { rows } = await selectOptions(storage.db, { id })
    return optionsFromJson(rows[0]?.options_json ?? null)
  }

  async function setOptions(tx: Transaction, id: string, options: ReplyOptions): Promise<void> {
    await tx
      .updateTable('replies')
      .set({ options_json: optionsToJson(options) })
      .where('id', '=', id)
      .execute()
  }

  return {
    insert: insertOne,
    optionsOf,
    setOptions,
    claim,
    settle,
    cancel,
    putBack,
    ...createOpenReplyStore(storage),
  }
}

export type ReplyStore = ReturnType<typeof createReplyStore>
