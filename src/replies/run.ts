import type { Clock } from '../clock.ts'
import { isDatabaseAway, StoppingError } from '../errors.ts'
import { LostClaim } from '../events/writer.ts'
import { firstIdAt } from '../ids.ts'
import type { Job } from '../jobs/jobs.ts'
import type { Log } from '../log.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Call } from '../providers/health.ts'
import type { Models } from '../providers/registry.ts'
import { type createAnswering, nothing, only } from './answering.ts'
import type { Answer, AskLimits } from './ask.ts'
import type { createClaim } from './claim.ts'
import type { Conclude } from './conclude.ts'
import type { GiveBack } from './give-back.ts'
import { failureOf } from './judge.ts'
import type { OpenReply, WaitingReply } from './open-store.ts'
import type { ReplyStore } from './store.ts'
import { type Beginning, beginningOf, isClaimedFirst } from './take-over.ts'
import type { Turn } from './turn.ts'

export interface RunLimits extends AskLimits {
  maxCrashes: number
}

/** Does the work of one look at an interaction: makes the answer whose turn it is. */
export function createRunner(parts: {
  store: Pick<ReplyStore, 'nextOpen'>
  takeTurn: (reply: OpenReply, keeps: Beginning['keeps']) => Promise<Turn>
  claimReply: ReturnType<typeof createClaim>
  answering: ReturnType<typeof createAnswering>
  models: Pick<Models, 'resolve'>
  conclude: Conclude
  giveBack: GiveBack
  jobOf: (reply: WaitingReply) => Job
  limits: RunLimits
  now: Clock
  log: Log
}) {
  const { store, takeTurn, claimReply, answering, models, conclude, giveBack, jobOf, limits, now, log } =
    parts
  const firstOwnId = firstIdAt(now())
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
    let answer: Answer | undefined
    try {
      // Of attempts before it is known then which calls they told.
      const claimsFirst = reply.attempt > 0 || isClaimedFirst(reply, keeps, firstOwnId)
      const before = claimsFirst ? await claim.made() : nothing
      answer =
        turn.kind === 'go'
          ? await answering({ reply, before, abort, record: claim.record, onWord: () => call?.answers() })
          : only(before.said, turn.failure)
      if (answer.isUnasked) call?.notMade()
      if (!abort.signal.aborted || abort.signal.reason instanceof ProviderFailure) report(call, answer)
      // Not the end of the reply: whoever looks next can read what it is asked.
      if (isDatabaseAway(answer.failure)) throw answer.failure
      await conclude(await claim.made(), answer)
    } catch (error) {
      if (error instanceof LostClaim) {
        log.debug({ reply: reply.id }, error.message)
        return
      }
      if (!isDatabaseAway(error) || !mayAskAgain(turn, answer)) throw error
      call?.end()
      // One that comes later would have nobody who makes it.
      await claim.made().catch(() => {})
      if (!(await giveBack(reply, stopping))) throw error
      log.warn({ reply: reply.id, err: error }, 'the database was away; the reply was put back')
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

/** Whether nobody is asked twice who must not be, or once more who was given up. */
function mayAskAgain({ kind, reply: { options } }: Turn & { reply: OpenReply }, answer: Answer | undefined) {
  return kind === 'go' && (options.onCrash !== 'fail' || answer === undefined || answer.isUnasked === true)
}
