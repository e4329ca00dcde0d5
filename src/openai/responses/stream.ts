import { isNotFound, ParleyError } from '../../errors.ts'
import { isEnd, type ReplyEvent } from '../../events/event.ts'
import type { AskedReply, Replies } from '../../replies/replies.ts'
import { keptOf } from './asked.ts'
import { createFold, type ResponseEvent, type Snapshot } from './fold.ts'
import { responseWith } from './view.ts'

/**
 * The events of a response behind the one of the number `after`, in batches that are durable together; ends with the
 * final one, or when `signal` aborts. They are folded from the beginning of its log each time. Throws `removed` where
 * it is deleted meanwhile.
 */
export async function* eventsOf(
  replies: Pick<Replies, 'events' | 'find'>,
  ownerId: string,
  { reply, options }: AskedReply,
  { after, signal, hasEnded }: { after: number; signal: AbortSignal; hasEnded: boolean },
): AsyncGenerator<ResponseEvent[]> {
  const { id, making } = reply
  let completedAt: number | null = null
  const snapshot: Snapshot = (now, output) => responseWith(reply, { ...now, completedAt }, options, output)
  const isBackground = keptOf(options)?.told.background ?? false
  const fold = createFold({ id, model: making.model, isBackground }, snapshot)
  yield* behind(after, fold.begin())
  for await (const batch of replies.events(id, 0, signal, hasEnded)) {
    if (batch.some(({ type }: ReplyEvent) => isEnd(type))) {
      completedAt = (await replies.find(ownerId, id)).making?.completedAt ?? null
    }
    yield* behind(
      after,
      batch.flatMap((event) => fold.add(event)),
    )
  }
  if (!signal.aborted && completedAt === null && !(await isThere(replies, ownerId, id))) throw deleted()
}

async function isThere(replies: Pick<Replies, 'find'>, ownerId: string, id: string): Promise<boolean> {
  try {
    await replies.find(ownerId, id)
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

function deleted(): ParleyError {
  return new ParleyError('removed', 'The response was deleted while it was made.')
}

function* behind(after: number, events: ResponseEvent[]): Generator<ResponseEvent[]> {
  const wanted = events.filter(({ sequence_number: number }) => number > after)
  if (wanted.length > 0) yield wanted
}
