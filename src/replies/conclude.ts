import type { Clock } from '../clock.ts'
import { StoppingError } from '../errors.ts'
import type { NewEvent } from '../events/event.ts'
import type { EventLog } from '../events/log.ts'
import { LostClaim, type Place } from '../events/writer.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import type { Log } from '../log.ts'
import type { ContentPart } from '../messages/content.ts'
import type { MessageStore } from '../messages/store.ts'
import { estimateTokens } from '../messages/tokens.ts'
import type { ProviderFailure } from '../providers/failure.ts'
import type { Storage, Transaction } from '../storage/storage.ts'
import type { Answer } from './ask.ts'
import type { Claim } from './claim.ts'
import type { ModelFacts, Next } from './failover.ts'
import { endWith, judge } from './judge.ts'
import { toldAttemptIn } from './retelling.ts'
import type { RetryLimits } from './retry.ts'
import type { WaitingReply } from './open-store.ts'
import type { ClaimedReply, Ending, ReplyStore } from './store.ts'
import { AskLater } from './take-time.ts'
import type { WaitLimits } from './waiting.ts'

export type Conclude = (claim: Claim, answer: Answer) => Promise<void>

/** Writes down what came of an attempt: the reply ends, or goes back to the queue. */
export function createConclude(parts: {
  storage: Storage
  store: ReplyStore
  messages: Pick<MessageStore, 'writeContent'>
  events: EventLog
  jobs: Pick<Jobs, 'enqueue'>
  jobOf: (reply: WaitingReply) => Job
  facts: ModelFacts
  limits: RetryLimits & WaitLimits
  now: Clock
  random: () => number
  log: Log
}): Conclude {
  const { storage, store, messages, events, jobs, jobOf, facts, limits, now, random, log } = parts

  /** Rejects with a LostClaim where the attempt may write nothing more. */
  return async function conclude(claim, answer) {
    try {
      await writeDown(claim, answer)
    } catch (error) {
      if (error instanceof LostClaim) await events.removeLeft(claim.reply.log)
      throw error
    }
  }

  async function writeDown({ reply, writer }: Claim, answer: Answer): Promise<void> {
    const { rest, place } = await writer.finish()
    if (answer.failure instanceof LostClaim) throw answer.failure
    if (answer.failure instanceof StoppingError || answer.failure instanceof AskLater) {
      const same = { model: reply.model, waitingSince: null, tries: reply }
      await putBack(reply, same, null, rest, place)
      return
    }
    const verdict = judge(answer, reply, { facts, limits, now: now(), random: random() })
    if (verdict.failure) tellOperator(reply, verdict.failure, verdict.kind)
    if (verdict.kind === 'end') {
      await settle(reply, answer.content, verdict.ending, rest, place)
      return
    }
    const { model, delayMs } = verdict.next
    const { error } = endWith('failed', verdict.failure.code)
    const data = { attempt: reply.attempt, error, retry_in_ms: delayMs, next_model: model }
    const notBefore = delayMs > 0 ? now() + delayMs : null
    await putBack(reply, verdict.next, notBefore, [...rest, { type: 'reply.retrying', data }], place)
  }

  /** One transaction with the rest of the log: an answer is whole, or it is not there. */
  async function settle(
    reply: ClaimedReply,
    content: ContentPart[],
    ending: Ending,
    rest: NewEvent[],
    place: Place,
  ): Promise<void> {
    const data = {
      status: ending.status,
      attempt: reply.attempt,
      finish_reason: ending.finishReason,
      usage: ending.usage,
      error: ending.error,
    }
    const tokens = estimateTokens(content)
    await storage.write(async (tx) => {
      const again = await toldAgain(tx, reply, ending, rest)
      if (!(await store.settle(tx, reply, { ...ending, toldAttempt: again }, now())))
        throw new LostClaim(reply.id)
      await messages.writeContent(tx, { id: reply.id, content, tokens, now: now() })
      await events.append(tx, reply.id, [...rest, { type: `reply.${ending.status}`, data }], place)
    })
  }

  /** The attempt that told what the answer is, where one before it told something else. */
  async function toldAgain(
    tx: Transaction,
    { attempt, log: number }: ClaimedReply,
    { status }: Ending,
    rest: NewEvent[],
  ) {
    if (attempt === 1) return undefined
    const ending = rest.map(({ type, data }) => ({ type, data: JSON.stringify(data) }))
    return toldAttemptIn([...(await events.whole(tx, number)), ...ending], status === 'completed')
  }

  async function putBack(
    reply: ClaimedReply,
    { model, waitingSince, tries: { failures, throttles, tried } }: Omit<Next, 'delayMs'>,
    notBefore: number | null,
    told: NewEvent[],
    place: Place,
  ): Promise<void> {
    await storage.write(async (tx) => {
      const given = { notBefore, waitingSince, model, failures, throttles, tried, now: now() }
      if (!(await store.putBack(tx, reply, given))) throw new LostClaim(reply.id)
      await events.append(tx, reply.id, told, place)
      await jobs.enqueue(tx, jobOf({ ...reply, model, notBefore }))
    })
  }

  /** The client gets our code and a sentence; the provider's own words are for who debugs it. */
  function tellOperator(reply: ClaimedReply, failure: ProviderFailure, kind: 'end' | 'retry') {
    const { id, attempt, model } = reply
    const what = { reply: id, attempt, model, code: failure.code, detail: failure.message }
    if (failure.code === 'internal_error') log.error({ ...what, err: failure.cause }, 'reply failed')
    else {
      log.warn(what, kind === 'retry' ? 'provider failed, will be tried again' : 'provider failed')
      if (failure.words) log.debug({ reply: id, words: failure.words }, 'what the provider said')
    }
  }
}
