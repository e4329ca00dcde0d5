import type { Path } from '../messages/path.ts'
import { segmentsBetween } from '../messages/path.ts'
import { newId } from '../ids.ts'
import type { MessageRow, ReplyRow } from '../storage/schema.ts'
import type { Transaction } from '../storage/storage.ts'
import { isOpen } from './open-store.ts'
import { optionsFromJson, optionsToJson, saidFor } from './options.ts'

/** SQLite takes 32,766 values in one statement. */
const rowsPerPage = 500

const messageColumns = [
  'id',
  'position',
  'role',
  'content_json',
  'metadata_json',
  'tokens',
  'created_at',
] as const
const replyColumns = [
  'id',
  'position',
  'status',
  'model',
  'attempt',
  'crashes',
  'failures',
  'throttles',
  'tried_json',
  'finish_reason',
  'usage_json',
  'error_json',
  'options_json',
  'created_at',
  'started_at',
  'completed_at',
] as const

type CopiedMessage = Pick<MessageRow, (typeof messageColumns)[number]>
type CopiedReply = Pick<ReplyRow, (typeof replyColumns)[number]>

/** The SQL of copying what was said in one interaction to another. */
export function createForkStore() {
  /** Whether a reply along the way, up to `position`, is still to be made. */
  async function hasOpen(
    tx: Transaction,
    interactionId: string,
    path: Path,
    position: number,
  ): Promise<boolean> {
    const open = await tx
      .selectFrom('replies')
      .select(['branch', 'position'])
      .where('interaction_id', '=', interactionId)
      .where('position', '<=', position)
      .where(isOpen)
      .execute()
    return open.some((reply) =>
      path.some(({ branch, upTo }) => branch === reply.branch && reply.position <= upTo),
    )
  }

  /**
   * Copies the messages of a way up to `position`, with how they were made but not their events, as the first ones
   * of the interaction `toId`. Resolves with how many those are, or with undefined where they are more than `max`.
   */
  async function copy(
    tx: Transaction,
    from: { interactionId: string; path: Path; position: number },
    toId: string,
    max: number,
    now: number,
  ): Promise<number | undefined> {
    /** The positions that had what is copied. */
    const copied = new Set<number>()
    for (const segment of segmentsBetween(from.path, 0, from.position + 1, 'asc')) {
      const last = Math.min(from.position, segment.upTo)
      for (let behind = 0; ;) {
        // Each page starts where the one before it ended.
        const page = await tx
          .selectFrom('messages')
          .select(messageColumns)
          .where('interaction_id', '=', from.interactionId)
          .where('branch', '=', segment.branch)
          .where('position', '>', behind)
          .where('position', '<=', last)
          .orderBy('position')
          .limit(rowsPerPage)
          .execute()
        if (copied.size + page.length > max) return undefined
        const behindCopy = copied.size
        for (const { position } of page) copied.add(position)
        await copyPage(tx, page, { interactionId: toId, behind: behindCopy, now, copied })
        behind = page.at(-1)?.position ?? behind
        if (page.length < rowsPerPage) break
      }
    }
    return copied.size
  }

  async function copyPage(
    tx: Transaction,
    page: CopiedMessage[],
    to: { interactionId: string; behind: number; now: number; copied: Set<number> },
  ): Promise<void> {
    if (page.length === 0) return
    const place = { interaction_id: to.interactionId, branch: 0, updated_at: to.now }
    const messages = page.map((row, index) => ({
      ...row,
      ...place,
      id: newId(),
      position: to.behind + index + 1,
    }))
    await tx.insertInto('messages').values(messages).execute()
    const places = new Map(page.map(({ id }, index) => [id, messages[index]]))
    const replies = await tx
      .selectFrom('replies')
      .select(replyColumns)
      .where('id', 'in', [...places.keys()])
      .execute()
    if (replies.length === 0) return
    const rows = replies.map((reply: CopiedReply) => {
      const message = places.get(reply.id)
      if (!message) throw new Error('a reply without its message')
      const options_json = optionsOfCopy(reply, to.copied)
      return { ...reply, ...place, id: message.id, position: message.position, options_json }
    })
    await tx.insertInto('replies').values(rows).execute()
  }

  return { hasOpen, copy }
}

/**
 * Nobody asked for a copy through a door. Its places have no gaps: of what was said for it, only what is copied stands
 * in front of it.
 */
function optionsOfCopy(
  { position, options_json }: Pick<ReplyRow, 'position' | 'options_json'>,
  copied: Set<number>,
): string | null {
  const { door, ...options } = optionsFromJson(options_json)
  const before = Array.from({ length: saidFor(options) }, (_, index) => position - 1 - index)
  const said = before.filter((each) => copied.has(each)).length
  if (said === before.length && door === undefined) return options_json
  return optionsToJson({ ...options, ...(said !== before.length && { said }) })
}
