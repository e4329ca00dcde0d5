import { type RawBuilder, sql } from 'kysely'
import type { ReplyErrorCode } from '../../errors.ts'
import { isOpen as isOpenStatus, type Making, type MessageStatus } from '../../messages/message.ts'
import { type Page, pageOf, type PageRequest, readingOrder } from '../../paging.ts'
import type { ReplyRow } from '../../storage/schema.ts'
import type { Database, Storage, Transaction } from '../../storage/storage.ts'
import { isOpen } from '../open-store.ts'
import { modelsOf, optionsFromJson } from '../options.ts'

/** A reply without what it says. */
export interface ReplySummary {
  id: string
  interactionId: string
  position: number
  status: MessageStatus
  model: string
  attempt: number
  crashes: number
  failures: number
  throttles: number
  error: Making['error']
  createdAt: number
  completedAt: number | null
}

export interface ReplyFilter {
  status?: MessageStatus | undefined
  error?: ReplyErrorCode | undefined
  model?: string | undefined
}

/** Those that can be made anew: they have ended, and without their whole answer. */
export const requeueable = ['failed', 'incomplete'] as const
export type Requeueable = (typeof requeueable)[number]

const columns = [
  'id',
  'interaction_id',
  'position',
  'status',
  'model',
  'attempt',
  'crashes',
  'failures',
  'throttles',
  'error_json',
  'created_at',
  'completed_at',
] as const satisfies Array<keyof ReplyRow>

/** In literals, as the partial index has it. */
const isUnanswered = sql<boolean>`status in ('failed', 'incomplete', 'cancelled')`

/** The SQL of replies as a list: those that were given up, and all others. */
export function createDeadLetterStore(storage: Storage) {
  /** Newest first unless asked otherwise: ids carry their time. */
  async function list(
    ownerId: string,
    filter: ReplyFilter,
    request: PageRequest,
  ): Promise<Page<ReplySummary>> {
    const page = pageOf(await select(storage.db, ownerId, filter, request).execute(), request)
    return { ...page, data: page.data.map((row) => fromRow(row)) }
  }

  /**
   * Those that can be requeued with others, as a page: of them the log is kept, and will be for a while, and so is their
   * interaction. What is not to be kept, nobody would read.
   */
  async function listRequeueable(
    tx: Transaction,
    ownerId: string,
    filter: ReplyFilter & { status: Requeueable },
    request: PageRequest,
    firstKeptId: string,
  ): Promise<Page<Pick<ReplySummary, 'id' | 'interactionId' | 'position'>>> {
    const rows = await select(tx, ownerId, filter, request, { isKept: true })
      .where('id', '>=', firstKeptId)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('events')
            .select('events.sequence')
            .whereRef('events.log', '=', 'replies.log')
            .limit(1)
            .offset(0),
        ),
      )
      .execute()
    const page = pageOf(rows, request)
    return { ...page, data: page.data.map((row) => fromRow(row)) }
  }

  function select(
    on: Database | Transaction,
    ownerId: string,
    { status, error, model }: ReplyFilter,
    request: PageRequest,
    { isKept = false } = {},
  ) {
    const { limit, order, after, before } = request
    const [behind, inFront] = order === 'asc' ? (['>', '<'] as const) : (['<', '>'] as const)
    const all = on.selectFrom('replies').select([...columns, 'log'])
    // Open ones are few. The limit, which is none, has them read before they are sorted: SQLite would else look for
    // them among all that ever was, in the order that is asked for.
    const looked =
      status !== undefined && isOpenStatus(status) ? all.where(isOpen).limit(Number.MAX_SAFE_INTEGER) : all
    let query = on
      .selectFrom(looked.as('replies'))
      .select(columns)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('interactions')
            .select('interactions.id')
            .whereRef('interactions.id', '=', 'replies.interaction_id')
            .where('interactions.owner_id', '=', ownerId)
            .$if(isKept, (mine) => mine.where('interactions.expires_at', 'is', null))
            // Says nothing, but has PostgreSQL ask for each reply, instead of reading all interactions.
            .limit(1)
            .offset(0),
        ),
      )
      .orderBy('id', readingOrder(request))
      .limit(limit + 1)
    if (status !== undefined) query = query.where(hasStatus(status))
    if (error !== undefined) query = query.where(hasError(error))
    if (model !== undefined) query = query.where('model', '=', model)
    if (after !== undefined) query = query.where('id', behind, after)
    if (before !== undefined) query = query.where('id', inFront, before)
    return query
  }

  const reopenOne = storage.prepare((db, given: { id: string; now: number }) =>
    db
      .updateTable('replies')
      .set({
        status: 'queued',
        crashes: 0,
        failures: 0,
        throttles: 0,
        tried_json: null,
        node: null,
        not_before: null,
        waiting_since: null,
        slot_at: null,
        finish_reason: null,
        usage_json: null,
        error_json: null,
        completed_at: null,
        updated_at: given.now,
      })
      .where('id', '=', given.id)
      .where('status', 'in', requeueable)
      .returning(['log', 'attempt', 'interaction_id', 'position', 'model', 'options_json']),
  )

  /**
   * Opens a reply again, with nothing tried, and the first of its models to be asked; undefined where it is not one
   * of those that can be.
   */
  async function reopen(tx: Transaction, id: string, now: number) {
    const { rows } = await reopenOne(tx, { id, now })
    const [row] = rows
    if (!row) return undefined
    const { interaction_id: interactionId, options_json, ...rest } = row
    const [model = row.model] = modelsOf(optionsFromJson(options_json), row.model)
    if (model !== row.model) await tx.updateTable('replies').set({ model }).where('id', '=', id).execute()
    return { ...rest, interactionId, model }
  }

  return { list, listRequeueable, reopen }
}

export type DeadLetterStore = ReturnType<typeof createDeadLetterStore>

/** With the words of the partial index: without them it could not be used. */
function hasStatus(status: MessageStatus): RawBuilder<boolean> {
  const one = sql<boolean>`status = ${sql.lit(status)}`
  if (status === 'completed' || isOpenStatus(status)) return one
  return sql<boolean>`(${isUnanswered} and ${one})`
}

/** The code stands first in the JSON, and no engine knows the functions of the other for it. */
function hasError(code: ReplyErrorCode): RawBuilder<boolean> {
  const beginning = `{"code":"${code}",`
  return sql<boolean>`substr(error_json, 1, ${sql.lit(beginning.length)}) = ${sql.lit(beginning)}`
}

function fromRow(row: Pick<ReplyRow, (typeof columns)[number]>): ReplySummary {
  const { id, position, model, attempt, crashes, failures, throttles } = row
  return {
    id,
    interactionId: row.interaction_id,
    position,
    status: row.status as MessageStatus,
    model,
    attempt,
    crashes,
    failures,
    throttles,
    error: row.error_json === null ? null : (JSON.parse(row.error_json) as Making['error']),
    createdAt: row.created_at,
    completedAt: row.completed_at,
  }
}
