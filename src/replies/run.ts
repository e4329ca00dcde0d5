import type { Clock } from '../clock.ts'
import { isDatabaseAway, StoppingError } from '../errors.ts'
import type { NewEvent } from '../events/event.ts'
import { LostClaim } from '../events/writer.ts'
import type { Job } from '../jobs/jobs.ts'
import type { Log } from '../log.ts'
import type { ContentPart } from '../messages/content.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Models } from '../providers/registry.ts'
import { type Answer, type AskLimits, askModel } from './ask.ts'
import type { createClaim } from './claim.ts'
import type { Conclude } from './conclude.ts'
import type { Prepare } from './prepare.ts'
import type { OpenReply, WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'
import { beginningOf } from './take-over.ts'

export interface RunLimits extends AskLimits {
  maxCrashes: number
}

/** Does the work of one look at an interaction: makes the answer whose turn it is. */
export function createRunner(parts: {
  store: Pick<ReplyStore, 'nextOpen'>
  claimReply: ReturnType<typeof createClaim>
  models: Pick<Models, 'resolve' | 'load'>
  prepare: Prepare
  conclude: Conclude
  jobOf: (reply: WaitingReply) => Job
  limits: RunLimits
  now: Clock
  log: Log
}) {
  const { store, claimReply, models, prepare, conclude, jobOf, limits, now, log } = parts
  /** The attempts that run here, to stop them. */
  const running = new Map<string, AbortController>()

  async function look(job: Job, stopping: AbortSignal): Promise<Job | undefined> {
    const { reply, hasMore } = await store.nextOpen(job.interactionId)
    if (!reply) return undefined
    const due = jobOf(reply)
    // It waits for its time, or for a place among those of its own provider.
    if ((due.notBefore ?? 0) > now() || due.group !== job.group) return due
    await attempt(reply, stopping)
    // What is posted from now on brings a job of its own.
    return hasMore && !stopping.aborted ? { interactionId: due.interactionId, group: due.group } : undefined
  }

  async function attempt(reply: OpenReply, stopping: AbortSignal): Promise<void> {
    const abort = new AbortController()
    const stop = () => abort.abort(new StoppingError())
    running.set(reply.id, abort)
    if (stopping.aborted) stop()
    else stopping.addEventListener('abort', stop)
    const { isGivenUp, keeps } = beginningOf(reply, canContinue(reply.model), limits.maxCrashes)
    const claim = claimReply(reply, keeps, (reason) => abort.abort(reason))
    try {
      // Claimed first where something may stay: until then others could add to it.
      const said = keeps ? (await claim.made()).said : []
      const answer = isGivenUp ? giveUp(reply, said) : await ask(reply, said, abort, claim.record)
      // Not the end of the reply: whoever looks next can read what it is asked.
      if (isDatabaseAway(answer.failure)) throw answer.failure
      await conclude(await claim.made(), answer)
    } catch (error) {
      if (!(error instanceof LostClaim)) throw error
      log.debug({ reply: reply.id }, error.message)
    } finally {
      running.delete(reply.id)
      stopping.removeEventListener('abort', stop)
    }
  }

  function canContinue(model: string): boolean {
    try {
      return models.resolve(model).provider.canContinue ?? false
    } catch {
      // Nobody serves it any more: the attempt will say so.
      return false
    }
  }

  /** Whoever had it before ended without a word; if that was its doing, it must not happen for ever. */
  function giveUp({ crashes }: OpenReply, said: ContentPart[]): Answer {
    const failure = new ProviderFailure('crashed', `attempts that ended with their process: ${crashes + 1}`)
    return { content: said, finish: undefined, failure }
  }

  async function ask(
    reply: OpenReply,
    said: ContentPart[],
    abort: AbortController,
    record: (event: NewEvent) => Promise<void> | undefined,
  ): Promise<Answer> {
    try {
      const resolved = models.resolve(reply.model)
      const call = await prepare(reply, resolved, said)
      const model = await models.load(resolved)
      const { firstTokenTimeoutMs = limits.firstTokenTimeoutMs } = resolved.provider
      return await askModel({ model, call, said, limits: { ...limits, firstTokenTimeoutMs }, abort, record })
    } catch (failure) {
      return { content: said, isOld: true, finish: undefined, failure }
    }
  }

  return {
    look,
    /** The replies that are made here. */
    get running() {
      return [...running.keys()]
    },
    /** Stops the attempt at a reply that runs here, if one does. */
    abandon: (id: string) => running.get(id)?.abort(new LostClaim(id)),
  }
}
