import type { ReplyEvent } from '../../events/event.ts'
import { isVisible } from './chunks.ts'

/**
 * Reads `events` until a reader could see something, at most for `ms`: what fails before that can be told with a
 * status. Gives what was read, all events from the first that is not void, and whether that is all there will be.
 */
export async function openingOf(
  events: AsyncGenerator<ReplyEvent[]>,
  ms: number,
): Promise<{ first: ReplyEvent | undefined; isOver: boolean; events: AsyncGenerator<ReplyEvent[]> }> {
  const seen: ReplyEvent[] = []
  const time = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => time.resolve(undefined), ms)
  let next = events.next()

  async function* all() {
    try {
      if (seen.length > 0) yield seen
      for (let result = await next; !result.done; result = await events.next()) yield result.value
    } finally {
      await events.return(undefined)
    }
  }

  try {
    for (;;) {
      const result = await Promise.race([next, time.promise])
      if (!result || result.done) return { first: undefined, isOver: result !== undefined, events: all() }
      // It was requeued: what stands before that is void, its end, too.
      const again = result.value.findLastIndex(({ type }) => type === 'reply.requeued')
      if (again !== -1) seen.length = 0
      seen.push(...result.value.slice(again + 1))
      const first = seen.find(({ type }) => isVisible(type))
      next = events.next()
      if (first) return { first, isOver: false, events: all() }
    }
  } finally {
    clearTimeout(timer)
  }
}
