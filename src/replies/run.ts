import type { Clock } from '../clock.ts'
import { isDatabaseAway, StoppingError } from '../errors.ts'
import type { NewEvent } from '../events/event.ts'
import { LostClaim } from '../events/writer.ts'
import type { Job } from '../jobs/jobs.ts'
import type { Log } from '../log.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Call } from '../providers/health.ts'
import type { Models } from '../providers/registry.ts'
import { type Answer, type AskLimits, askModel } from './ask.ts'
import type { createClaim } from './claim.ts'
import type { Conclude } from './conclude.ts'
import { failureOf } from './judge.ts'
import type { Prepare } from './prepare.ts'
import type { OpenReply, WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'
import type { Turn } from './turn.ts'

export interface RunLimits extends AskLimits {
  maxCrashes: number
}

/** Does the work of one look at an interaction: makes the answer whose turn it is. */
export function createRunner(parts: {
  store: Pick<ReplyStore, 'nextOpen'>
  takeTurn: (reply: OpenReply) => Promise<Turn>
  claimReply: ReturnType<typeof createClaim>
  models: Pick<Models, 'resolve' | 'load'>
  prepare: Prepare
  conclude: Conclude
  jobOf: (reply: WaitingReply) => Job
  limits: RunLimits
  now: Clock
  log: Log
}) {
  const { store, takeTurn, claimReply, models, prepare, conclude, jobOf, limits, now, log } = parts
  /** The attempts that run here, to stop them. */
  const running = new Map<string, AbortController>()

  async function look(job: Job, stopping: AbortSignal): Promise<Job | undefined> {
    const { reply, hasMore } = await store.nextOpen(job.interactionId)
    if (!reply) return undefined
    const due = jobOf(reply)
    // It waits for its time, or for a place among those of its own provider.
    if ((due.notBefore ?? 0) > now() || due.group !== job.group) return due
    const more = { interactionId: due.interactionId, group: due.group }
    const turn = await takeTurn(reply)
    // Nothing is to come where it was cancelled meanwhile.
    if (turn.kind === 'later') return turn.job ?? (hasMore ? more : undefined)
    await attempt(turn, stopping)
    // What is posted from now on brings a job of its own.
    return hasMore && !stopping.aborted ? more : undefined
  }

  async function attempt(turn: Exclude<Turn, { kind: 'later' }>, stopping: AbortSignal): Promise<void> {
    const { reply } = turn
    const call = turn.kind === 'go' ? turn.call : undefined
    const abort = new AbortController()
    const stop = () => abort.abort(new StoppingError())
    running.set(reply.id, abort)
    if (stopping.aborted) stop()
    else stopping.addEventListener('abort', stop)
    const claim = claimReply(reply, (reason) => abort.abort(reason))
    try {
      const answer = turn.kind === 'go' ? await ask(reply, abort, call, claim.record) : nothing(turn.failure)
      if (!abort.signal.aborted || abort.signal.reason instanceof ProviderFailure) report(call, answer)
      // Not the end of the reply: whoever looks next can read what it is asked.
      if (isDatabaseAway(answer.failure)) throw answer.failure
      await conclude(await claim.made(), answer)
    } catch (error) {
      if (!(error instanceof LostClaim)) throw error
      log.debug({ reply: reply.id }, error.message)
    } finally {
      call?.end()
      running.delete(reply.id)
      stopping.removeEventListener('abort', stop)
    }
  }

  async function ask(
    reply: OpenReply,
    abort: AbortController,
    call: Call | undefined,
    record: (event: NewEvent) => Promise<void> | undefined,
  ): Promise<Answer> {
    try {
      // Whoever had it before ended without a word; if that was its doing, it must not happen for ever.
      // That attempt is not among its crashes yet.
      if (reply.status === 'in_progress' && reply.crashes + 1 >= limits.maxCrashes) {
        throw new ProviderFailure('crashed', `${reply.crashes + 1} attempts ended with their process`)
      }
      const resolved = models.resolve(reply.model)
      const asked = await prepare(reply, resolved)
      const model = await models.load(resolved)
      const { firstTokenTimeoutMs = limits.firstTokenTimeoutMs } = resolved.provider
      return await askModel({
        model,
        call: asked,
        limits: { ...limits, firstTokenTimeoutMs },
        abort,
        record(event) {
          call?.answers()
          return record(event)
        },
      })
    } catch (failure) {
      return nothing(failure)
    }
  }

  /** Not what was stopped, but what the model did. */
  function report(call: Call | undefined, answer: Answer) {
    const failure = failureOf(answer)
    if (failure) call?.fails(failure.code)
    else call?.answers()
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

function nothing(failure: unknown): Answer {
  return { content: [], finish: undefined, failure }
}
