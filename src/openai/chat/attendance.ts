import { ParleyError } from '../../errors.ts'
import type { Interactions } from '../../interactions/interactions.ts'
import { type Log, levelOf } from '../../log.ts'
import type { Replies } from '../../replies/replies.ts'

/** How long a client has to come again with the same request. OpenAI's begin after half a second. */
const graceMs = 3_000

/** An answer that only its client waits for. */
export interface Attended {
  ownerId: string
  interactionId: string
  replyId: string
  /** When its interaction goes; where this has changed, somebody came for it elsewhere. */
  expiresAt: number
}

export type Attendance = ReturnType<typeof createAttendance>

/** Cancels answers that are not kept, when nobody waits for them any more: nobody could ever read them. */
export function createAttendance(parts: {
  replies: Pick<Replies, 'cancel'>
  interactions: Pick<Interactions, 'find'>
  log: Pick<Log, ReturnType<typeof levelOf>>
}) {
  const { replies, interactions, log } = parts
  /** How many wait for each reply here, and what happens if nobody comes. */
  const attended = new Map<string, { count: number; timer: NodeJS.Timeout | undefined }>()
  let isStopped = false

  async function cancel({ ownerId, interactionId, replyId, expiresAt }: Attended): Promise<void> {
    try {
      const interaction = await interactions.find(ownerId, interactionId)
      if (interaction.expiresAt === expiresAt) await replies.cancel(ownerId, replyId)
    } catch (error) {
      // It was removed meanwhile.
      if (error instanceof ParleyError && error.code === 'not_found') return
      log[levelOf(error)]({ err: error, reply: replyId }, 'a reply that nobody waits for was not cancelled')
    }
  }

  return {
    /** One more waits for it. To be told whether it got all of it, or else whether it may come again. */
    attend(reply: Attended): (left: 'answered' | 'back soon' | 'gone') => void {
      const entry = attended.get(reply.replyId) ?? { count: 0, timer: undefined }
      clearTimeout(entry.timer)
      entry.count += 1
      attended.set(reply.replyId, entry)
      return (left) => {
        entry.count -= 1
        if (entry.count > 0) return
        attended.delete(reply.replyId)
        if (left === 'answered' || isStopped) return
        if (left === 'gone') return void cancel(reply)
        attended.set(reply.replyId, entry)
        entry.timer = setTimeout(() => {
          attended.delete(reply.replyId)
          if (!isStopped) void cancel(reply)
        }, graceMs)
        entry.timer.unref()
      }
    },
    /** What is left is for the next process to finish. */
    stop() {
      isStopped = true
      for (const { timer } of attended.values()) clearTimeout(timer)
    },
  }
}
