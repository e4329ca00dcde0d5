import type { ReplyErrorCode } from '../errors.ts'
import type { MessageStatus, Usage } from '../messages/message.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { Course, Tried } from './failover.ts'
import { modelsOf, optionsFromJson, optionsToJson, type ReplyOptions } from './options.ts'
import { createOpenReplyStore, isOpen, triedFromJson, type WaitingReply } from './open-store.ts'

/** A reply that this process has claimed: the attempt it may write with, and what was tried before. */
export interface ClaimedReply extends Course {
  id: string
  log: number
  interactionId: string
  position: number
  options: ReplyOptions
  attempt: number
  crashes: number
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
        waiting_since: null,
        slot_at: null,
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
        'tried_json',
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
    const { interaction_id: interactionId, options_json, tried_json, ...rest } = row
    const options = optionsFromJson(options_json)
    const tried = triedFromJson(tried_json)
    return { ...rest, interactionId, options, models: modelsOf(options, row.model), tried }
  }

  const updateSettled = storage.prepare(
    (
      db,
      given: {
        id: string
        attempt: number
        model: string
        status: string
        finishReason: string | null
        usage: string | null
        error: string | null
        toldAttempt: number | null
        now: number
      },
    ) =>
      db
        .updateTable('replies')
        .set({
          status: given.status,
          told_attempt: given.toldAttempt,
          // Whoever was to be next by now, it was this one that answered.
          model: given.model,
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
    { id, attempt, model }: Pick<ClaimedReply, 'id' | 'attempt' | 'model'>,
    ending: Ending & { toldAttempt: number | undefined },
    now: number,
  ): Promise<boolean> {
    const { changes } = await updateSettled(tx, {
      id,
      attempt,
      model,
      status: ending.status,
      finishReason: ending.finishReason,
      usage: ending.usage && JSON.stringify(ending.usage),
      error: ending.error && JSON.stringify(ending.error),
      toldAttempt: ending.toldAttempt ?? null,
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

  /** Keeps which attempt told what the reply came to be. */
  async function setToldAttempt(tx: Transaction, id: string, toldAttempt: number): Promise<void> {
    await tx.updateTable('replies').set({ told_attempt: toldAttempt }).where('id', '=', id).execute()
  }

  /** Gives the reply back to the queue; false where `attempt` is not its writer any more. */
  async function putBack(
    tx: Transaction,
    { id, attempt }: Pick<ClaimedReply, 'id' | 'attempt'>,
    given: {
      notBefore: number | null
      waitingSince: number | null
      model: string
      failures: number
      throttles: number
      tried: Tried[]
      now: number
    },
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('replies')
      .set({
        status: 'queued',
        not_before: given.notBefore,
        waiting_since: given.waitingSince,
        model: given.model,
        tried_json: given.tried.length === 0 ? null : JSON.stringify(given.tried),
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

  /** Gives the reply back to the queue as it is; undefined where the attempt is not that of `node`, or not any more. */
  async function giveBack(
    tx: Transaction,
    { id, attempt, node, now }: { id: string; attempt: number; node: number | null; now: number },
  ): Promise<WaitingReply | undefined> {
    const row = await tx
      .updateTable('replies')
      .set({ status: 'queued', updated_at: now })
      .where('id', '=', id)
      .where('attempt', '=', attempt)
      .where('node', node === null ? 'is' : '=', node)
      .where('status', '=', 'in_progress')
      .returning(['interaction_id as interactionId', 'model', 'not_before as notBefore'])
      .executeTakeFirst()
    return row
  }

  /** Gives the turn of a reply that nobody has claimed to another model; false where it is not open any more. */
  async function move(
    tx: Transaction,
    given: { id: string; model: string; tried: Tried[]; now: number },
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('replies')
      .set({
        model: given.model,
        tried_json: JSON.stringify(given.tried),
        slot_at: null,
        updated_at: given.now,
      })
      .where('id', '=', given.id)
      .where(isOpen)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }

  /** Lets a reply wait for its provider, without a try; false where it is not open any more. */
  async function putOff(
    tx: Transaction,
    given: { id: string; notBefore: number; slotAt: number | null; waitingSince: number | null; now: number },
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('replies')
      .set({
        not_before: given.notBefore,
        slot_at: given.slotAt,
        waiting_since: given.waitingSince,
        updated_at: given.now,
      })
      .where('id', '=', given.id)
      .where(isOpen)
      .executeTakeFirst()
    return numUpdatedRows > 0n
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
    setOptions,
    claim,
    settle,
    cancel,
    setToldAttempt,
    putBack,
    giveBack,
    move,
    putOff,
    ...createOpenReplyStore(storage),
  }
}

export type ReplyStore = ReturnType<typeof createReplyStore>
