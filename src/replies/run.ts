import type { Clock } from '../clock.ts'
import { StoppingError } from '../errors.ts'
import type { EventLog } from '../events/log.ts'
import { LostClaim } from '../events/writer.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import type { Log } from '../log.ts'
import type { ContentPart } from '../messages/content.ts'
import type { MessageStore } from '../messages/store.ts'
import { estimateTokens } from '../messages/tokens.ts'
import type { ProviderFailure } from '../providers/failure.ts'
import type { Models } from '../providers/registry.ts'
import type { Storage } from '../storage/storage.ts'
import { type Answer, type AskLimits, askModel } from './ask.ts'
import { endWith, judge } from './judge.ts'
import type { Prepare } from './prepare.ts'
import type { RetryLimits } from './retry.ts'
import type { ClaimedReply, Ending, OpenReply, ReplyStore } from './store.ts'

export interface RunLimits extends AskLimits, RetryLimits {
  maxCrashes: number
}

/** Does the work of one look at an interaction: makes the answer whose turn it is. */
export function createRunner(parts: {
  storage: Storage
  store: ReplyStore
  messages: Pick<MessageStore, 'writeContent'>
  events: EventLog
  jobs: Pick<Jobs, 'enqueue'>
  models: Pick<Models, 'resolve' | 'load'>
  prepare: Prepare
  limits: RunLimits
  now: Clock
  random: () => number
  log: Log
}) {
  const { storage, store, messages, events, jobs, models, prepare, limits, now, random, log } = parts
  /** The attempts that run here, to stop them. */
  const running = new Map<string, AbortController>()

  async function look(job: Job, stopping: AbortSignal): Promise<Job | undefined> {
    const reply = await store.nextOpen(job.interactionId)
    if (!reply) return undefined
    const due = jobOf(reply)
    // It waits for its time, or for a place among those of its own provider.
    if ((due.notBefore ?? 0) > now() || due.group !== job.group) return due
    const claimed = await claim(reply)
    if (claimed) await attempt(claimed, stopping)
    return stopping.aborted ? undefined : { interactionId: due.interactionId, group: due.group }
  }

  function jobOf({ interactionId, model, notBefore }: OpenReply): Job {
    return { interactionId, group: groupOf(model), notBefore }
  }

  function claim({ id, model }: OpenReply) {
    return storage.write(async (tx) => {
      const reply = await store.claim(tx, id, now())
      if (!reply) return undefined
      const type = reply.attempt === 1 ? 'reply.started' : 'reply.restarted'
      const nextSequence = await events.append(tx, id, [{ type, data: { attempt: reply.attempt, model } }])
      return { ...reply, nextSequence }
    })
  }

  async function attempt(reply: ClaimedReply & { nextSequence: number }, stopping: AbortSignal) {
    const abort = new AbortController()
    const stop = () => abort.abort(new StoppingError())
    running.set(reply.id, abort)
    stopping.addEventListener('abort', stop)
    const writer = events.openWriter({
      replyId: reply.id,
      attempt: reply.attempt,
      nextSequence: reply.nextSequence,
      onLost: (reason) => abort.abort(reason),
    })
    try {
      if (reply.crashes > limits.maxCrashes) {
        await settle(reply, writer, [], endWith('failed', 'crashed'))
        return
      }
      const answer = await ask(reply, abort, writer.add)
      if (answer.failure instanceof StoppingError) await putBack(reply, { notBefore: null, ...reply })
      else if (abort.signal.reason instanceof LostClaim) throw abort.signal.reason
      else await conclude(reply, writer, answer)
    } catch (error) {
      if (!(error instanceof LostClaim)) throw error
      log.debug({ reply: reply.id, attempt: reply.attempt }, 'attempt was overtaken')
    } finally {
      running.delete(reply.id)
      stopping.removeEventListener('abort', stop)
    }
  }

  async function ask(
    reply: ClaimedReply,
    abort: AbortController,
    record: ReturnType<EventLog['openWriter']>['add'],
  ): Promise<Answer> {
    try {
      const resolved = models.resolve(reply.model)
      const call = await prepare(reply, resolved)
      const model = await models.load(resolved)
      const { firstTokenTimeoutMs = limits.firstTokenTimeoutMs } = resolved.provider
      return await askModel({ model, call, limits: { ...limits, firstTokenTimeoutMs }, abort, record })
    } catch (failure) {
      return { content: [], finish: undefined, failure }
    }
  }

  async function conclude(
    reply: ClaimedReply,
    writer: ReturnType<EventLog['openWriter']>,
    answer: Answer,
  ): Promise<void> {
    const verdict = judge(answer, reply, limits, random())
    if (verdict.failure) tellOperator(reply, verdict.failure, verdict.kind)
    if (verdict.kind === 'end') {
      await settle(reply, writer, answer.content, verdict.ending)
      return
    }
    const { delayMs, tries } = verdict.decision
    const { code, message } = endWith('failed', verdict.failure.code).error ?? {}
    const data = { attempt: reply.attempt, error: { code, message }, retry_in_ms: delayMs }
    await putBack(reply, { ...tries, notBefore: now() + delayMs }, [{ type: 'reply.retrying', data }])
  }

  /** One transaction with the rest of the log: an answer is whole, or it is not there. */
  async function settle(
    reply: ClaimedReply,
    writer: ReturnType<EventLog['openWriter']>,
    content: ContentPart[],
    ending: Ending,
  ): Promise<void> {
    const { rest, nextSequence } = await writer.finish()
    const data = {
      status: ending.status,
      attempt: reply.attempt,
      finish_reason: ending.finishReason,
      usage: ending.usage,
      error: ending.error,
    }
    await storage.write(async (tx) => {
      if (!(await store.settle(tx, reply, ending, now()))) throw new LostClaim(reply.id, reply.attempt)
      await messages.writeContent(tx, { id: reply.id, content, tokens: estimateTokens(content), now: now() })
      await events.append(tx, reply.id, [...rest, { type: `reply.${ending.status}`, data }], nextSequence)
    })
  }

  async function putBack(
    reply: ClaimedReply,
    given: { notBefore: number | null; failures: number; throttles: number },
    told: Parameters<EventLog['append']>[2] = [],
  ): Promise<void> {
    await storage.write(async (tx) => {
      const wasOurs = await store.putBack(tx, reply, { ...given, now: now() })
      if (!wasOurs) throw new LostClaim(reply.id, reply.attempt)
      if (told.length > 0) await events.append(tx, reply.id, told)
      await jobs.enqueue(tx, jobOf({ ...reply, notBefore: given.notBefore }))
    })
  }

  /** The provider's own words are for the operator; the client gets our code and a sentence. */
  function tellOperator(reply: ClaimedReply, failure: ProviderFailure, kind: 'end' | 'retry') {
    const { id, attempt: number, model } = reply
    const what = { reply: id, attempt: number, model, code: failure.code, detail: failure.message }
    if (failure.code === 'internal_error') log.error({ ...what, err: failure.cause }, 'reply failed')
    else log.warn(what, kind === 'retry' ? 'provider failed, will be tried again' : 'provider failed')
  }

  return {
    look,
    jobOf,
    /** Stops the attempt at a reply that runs here, if one does. */
    abandon: (id: string, attemptNumber?: number) =>
      running.get(id)?.abort(new LostClaim(id, attemptNumber ?? 0)),
  }

  function groupOf(model: string): string {
    try {
      return models.resolve(model).provider.name
    } catch {
      // Nobody serves it any more: the attempt will say so.
      return 'unknown'
    }
  }
}
