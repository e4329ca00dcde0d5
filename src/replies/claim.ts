import type { Clock } from '../clock.ts'
import { addTo, type EventType, type NewEvent } from '../events/event.ts'
import type { EventLog } from '../events/log.ts'
import { type EventWriter, LostClaim, type Place } from '../events/writer.ts'
import type { ContentPart } from '../messages/content.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { OpenReply } from './open-store.ts'
import { addSaid, callIdsIn, compactionIn, saidIn, speakerIn } from './said.ts'
import type { ClaimedReply, ReplyStore } from './store.ts'
import type { Beginning } from './take-over.ts'

/** How long a claim waits for a first token to be committed with. */
const waitMs = 20

/** The right to write an attempt at a reply, and what to write with. */
export interface Claim {
  reply: ClaimedReply
  writer: EventWriter
  /** What attempts before it said, and readers keep. */
  said: ContentPart[]
  /** The ids of all calls that they told, kept or not. */
  callIds: Set<string>
}

/** A claim that is made when there is something to write, or after a moment. */
export interface ComingClaim {
  /** Adds an event to the log, as a writer's `add`; the first one is committed together with the claim. */
  record(event: NewEvent): Promise<void> | undefined
  /** The claim, made now if it is not yet. Rejects with a LostClaim where the reply is not open any more. */
  made(): Promise<Claim>
}

/**
 * Takes a reply over under the next attempt number; whoever had it can write nothing more. The model may be
 * asked before that is durable, because nothing of what it says is written before: so the claim and the first
 * token share one commit. `onLost` hears when the attempt may write nothing (more).
 */
export function createClaim(parts: {
  storage: Storage
  store: ReplyStore
  events: EventLog
  /** The number of this node, where there are others. */
  node: () => number | null
  now: Clock
}) {
  const { storage, store, events, node, now } = parts

  /** Where an attempt begins, and what stays of those before it: nobody else adds to that from now on. */
  async function beginIn(
    tx: Transaction,
    { attempt, log }: ClaimedReply,
    keeps: Beginning['keeps'],
  ): Promise<{
    type: EventType
    again: NewEvent[]
    said: ContentPart[]
    callIds: Set<string>
    place: Place
  }> {
    if (attempt === 1) {
      return { type: 'reply.started', again: [], said: [], callIds: new Set(), place: { log, next: 1 } }
    }
    const told = await events.whole(tx, log)
    const said = saidIn(told)
    // That takes long where much was said, and whoever had it before may go on meanwhile: what it added is looked for
    // right in front of the writing.
    const added = await events.whole(tx, log, told.at(-1)?.sequence)
    told.push(...added)
    addSaid(said, added)
    const callIds = callIdsIn(told)
    const place = { log, next: (told.at(-1)?.sequence ?? 0) + 1 }
    if (keeps?.({ said, speaker: speakerIn(told) })) {
      return { type: 'reply.resumed', again: [], said, callIds, place }
    }
    // What was said before the answer is not summed up twice: it took a model, too.
    const summary = compactionIn(told)
    return {
      type: 'reply.restarted',
      again: summary ? [{ type: 'compaction.done', data: summary }] : [],
      said: summary ? [{ type: 'compaction', ...summary }] : [],
      callIds,
      place,
    }
  }

  return function claim(
    { id }: OpenReply,
    keeps: Beginning['keeps'],
    onLost: (reason: unknown) => void,
  ): ComingClaim {
    const early: NewEvent[] = []
    let claiming: Promise<Claim> | undefined
    let writer: EventWriter | undefined
    const timer = setTimeout(() => void made().catch(() => {}), waitMs)

    function made(): Promise<Claim> {
      clearTimeout(timer)
      if (!claiming) {
        claiming = take()
        claiming.catch(onLost)
      }
      return claiming
    }

    async function take(): Promise<Claim> {
      // Outside of the transaction, which may be run again.
      const told: NewEvent[] = []
      const { reply, said, callIds, place } = await storage.write(async (tx) => {
        const taken = await store.claim(tx, id, node(), now())
        if (!taken) throw new LostClaim(id)
        const { attempt, model } = taken
        const begin = await beginIn(tx, taken, keeps)
        told.push(...early.splice(0))
        const begun = [{ type: begin.type, data: { attempt, model } }, ...begin.again, ...told]
        const next = await events.append(tx, id, begun, begin.place)
        return { reply: taken, said: begin.said, callIds: begin.callIds, place: next }
      })
      writer = events.openWriter({ replyId: id, attempt: reply.attempt, place, onLost })
      // Without a pause between them: what the model says meanwhile must not get in front.
      for (const event of early.splice(0)) void writer.add(event)
      return { reply, writer, said, callIds }
    }

    return {
      made,
      record(event) {
        if (writer) return writer.add(event)
        addTo(early, event)
        void made().catch(() => {})
        return undefined
      },
    }
  }
}
