import type { Clock } from '../clock.ts'
import { isDatabaseAway, StoppingError } from '../errors.ts'
import type { NewEvent } from '../events/event.ts'
import { LostClaim } from '../events/writer.ts'
import type { Job } from '../jobs/jobs.ts'
import type { Log } from '../log.ts'
import type { ContentPart } from '../messages/content.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Call } from '../providers/health.ts'
import type { Models } from '../providers/registry.ts'
import { type Answer, type AskLimits, askModel, type Before } from './ask.ts'
import type { createClaim } from './claim.ts'
import type { Conclude } from './conclude.ts'
import { failureOf } from './judge.ts'
import type { Prepare } from './prepare.ts'
import type { OpenReply, WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'
import { type Beginning, beginningOf } from './take-over.ts'
import type { Turn } from './turn.ts'

export interface RunLimits extends AskLimits {
  maxCrashes: number
}

/** Does the work of one look at an interaction: makes the answer whose turn it is. */
export function createRunner(parts: {
  store: Pick<ReplyStore, 'nextOpen'>
  takeTurn: (reply: OpenReply, keeps: Beginning['keeps']) => Promise<Turn>
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
    const { isGivenUp, keeps } = beginningOf(reply, canContinue(reply.model), limits.maxCrashes)
    const turn = isGivenUp ? giveUp(reply) : await turnOf(reply, keeps)
    // Nothing is to come where it was cancelled meanwhile.
    if (turn.kind === 'later') return turn.job ?? (hasMore ? more : undefined)
    await attempt(turn, keeps, stopping)
    // What is posted from now on brings a job of its own.
    return hasMore && !stopping.aborted ? more : undefined
  }

  /** No provider is waited for where none is asked. */
  async function turnOf(reply: OpenReply, keeps: Beginning['keeps']): Promise<Turn> {
    if (reply.options.generates === false) return { kind: 'go', reply, call: undefined }
    return takeTurn(reply, keeps)
  }

  async function attempt(
    turn: Exclude<Turn, { kind: 'later' }>,
    keeps: Beginning['keeps'],
    stopping: AbortSignal,
  ): Promise<void> {
    const { reply } = turn
    const call = turn.kind === 'go' ? turn.call : undefined
    const abort = new AbortController()
    const stop = () => abort.abort(new StoppingError())
    running.set(reply.id, abort)
    if (stopping.aborted) stop()
    else stopping.addEventListener('abort', stop)
    const claim = claimReply(reply, keeps, (reason) => abort.abort(reason))
    try {
      // Claimed first where something was said before: until then others could add to it.
      const before = reply.attempt > 0 ? await claim.made() : nothing
      const answer =
        turn.kind === 'go'
          ? await ask(reply, before, abort, call, claim.record)
          : only(before.said, turn.failure)
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

  function canContinue(model: string): boolean {
    try {
      return models.resolve(model).provider.canContinue ?? false
    } catch {
      // Nobody serves it any more: the attempt will say so.
      return false
    }
  }

  async function ask(
    reply: OpenReply,
    before: Before,
    abort: AbortController,
    call: Call | undefined,
    record: (event: NewEvent) => Promise<void> | undefined,
  ): Promise<Answer> {
    if (reply.options.generates === false) return unasked
    try {
      const resolved = models.resolve(reply.model)
      const asked = await prepare(reply, resolved, before.said)
      const model = await models.load(resolved)
      const { firstTokenTimeoutMs = limits.firstTokenTimeoutMs } = resolved.provider
      return await askModel({
        model,
        call: asked,
        before,
        asked: reply.options,
        limits: { ...limits, firstTokenTimeoutMs },
        abort,
        record(event) {
          call?.answers()
          return record(event)
        },
      })
    } catch (failure) {
      return only(before.said, failure)
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

/** Whoever had it before ended without a word; if that was its doing, it must not happen for ever. */
function giveUp(reply: OpenReply): Turn {
  const detail = `attempts that ended with their process: ${reply.crashes + 1}`
  return { kind: 'give up', reply, failure: new ProviderFailure('crashed', detail) }
}

const nothing: Before = { said: [], callIds: new Set() }
const noTokens = { total: 0, text: undefined, reasoning: 0 }
const unasked: Answer = {
  content: [],
  isUnasked: true,
  finish: {
    reason: { unified: 'stop', raw: undefined },
    usage: { inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 }, outputTokens: noTokens },
  },
  failure: undefined,
}

/** What was said before, and nothing more. */
function only(said: ContentPart[], failure: unknown): Answer {
  return { content: said, isOld: true, finish: undefined, failure }
}
