import type { ReplyErrorCode } from '../errors.ts'
import type { Tried as ShownTried } from '../messages/message.ts'
import type { ProviderFailure } from '../providers/failure.ts'
import { decideRetry, mayComeBack, type RetryLimits, type Tries } from './retry.ts'
import { looksAgainAt, type WaitLimits } from './waiting.ts'

/** How many failures are kept with a reply. */
const maxTried = 32
/** That of an entry for a model that was passed over: it was not asked. */
const noRound = -1

/** A model that could not answer, and whether it may be asked again. */
export interface Tried extends ShownTried {
  /** In which round through the list: each round counts as one try. */
  round: number
  /** Not before this time; null is never. */
  again: number | null
  /** It refused to go on with what it had said, and may be asked from the beginning. */
  cannotGoOn?: true
}

/** What is known of a reply when it is decided who answers. */
export interface Course extends Tries {
  /** Whose turn it is. */
  model: string
  /** Everybody who may answer, in order. */
  models: string[]
  tried: Tried[]
}

/** What is known of models. */
export interface ModelFacts {
  /** From when a model may be asked; 0 is now. */
  askableAt: (model: string) => number
  /** In tokens, where it is known. */
  windowOf: (model: string) => number | undefined
}

/** Who is asked next, after which pause, with what was tried. */
export interface Next {
  model: string
  delayMs: number
  /** Since when it waits, where that is for a provider that may not be asked. */
  waitingSince: number | null
  tries: Tries & { tried: Tried[] }
}

/**
 * Who is asked next, where `course.model` failed before its first token; undefined where nobody is. As long as there
 * is somebody in the list who was not asked in this round, and may be asked now, that is at once. Then the round is
 * over: it counts as one try, and the next begins after a pause.
 */
export function decideNext(
  failure: Pick<ProviderFailure, 'code' | 'isRetryable' | 'retryAfterMs'>,
  course: Course,
  given: { facts: ModelFacts; limits: RetryLimits & WaitLimits; now: number; random: number },
): Next | undefined {
  const { facts, limits, now, random } = given
  const round = roundOf(course)
  if (!failure.isRetryable && !othersMayHelp.has(failure.code)) return undefined
  const again = mayComeBack(failure) ? now + (failure.retryAfterMs ?? 0) : null
  const tried = [...course.tried, { model: course.model, code: failure.code, at: now, round, again }]
  const kept = tried.slice(-maxTried)

  const left = course.models.filter((model) => isLeft(model, tried) && fits(model, failure, course, facts))
  const untried = left.filter((model) => !wasAsked(model, tried, round))
  const next = untried.find((model) => askableFrom(model, tried, facts) <= now)
  if (next !== undefined) {
    const { failures, throttles } = course
    return { model: next, delayMs: 0, waitingSince: null, tries: { failures, throttles, tried: kept } }
  }

  const failed = tried.filter((entry) => entry.round === round && left.includes(entry.model))
  const isThrottled = failed.every(({ code }) => code === 'provider_rate_limited')
  const retries = failed.flatMap((entry) => {
    const retryAfterMs = entry.again === entry.at ? undefined : Math.max(0, (entry.again ?? 0) - now)
    const code = isThrottled ? 'provider_rate_limited' : 'provider_unavailable'
    const decision = decideRetry({ code, isRetryable: true, retryAfterMs }, course, limits, random)
    if (!decision.retry) return []
    const { model } = entry
    const { delayMs, tries } = decision
    const { failures } = tries
    return [{ ...waitFor({ model, askableAt: facts.askableAt(model), delayMs, failures }, given), tries }]
  })
  // Who was not asked is no reason to wait on when the tries are spent.
  if (failed.length > 0 && retries.length === 0) return undefined
  const { failures, throttles } = retries[0]?.tries ?? course
  const passedOver = untried.map((model) =>
    waitFor({ model, askableAt: askableFrom(model, tried, facts), delayMs: 0, failures }, given),
  )
  const [soonest] = [...retries, ...passedOver].toSorted((one, other) => one.delayMs - other.delayMs)
  if (!soonest) return undefined
  const { model, delayMs, waitingSince } = soonest
  return { model, delayMs, waitingSince, tries: { failures, throttles, tried: kept } }
}

/** The same model again, at once and from the beginning, where it refused to go on. That was a try like any other. */
export function askAnew({ code }: Pick<ProviderFailure, 'code'>, course: Course, now: number): Next {
  const { model, failures, throttles } = course
  const refused = { model, code, at: now, round: roundOf(course), again: now, cannotGoOn: true } as const
  const tried = [...course.tried, refused].slice(-maxTried)
  return { model, delayMs: 0, waitingSince: null, tries: { failures: failures + 1, throttles, tried } }
}

/** How long a model is waited for that may not be asked before `askableAt`, or after a pause of its own. */
function waitFor(
  who: { model: string; askableAt: number; delayMs: number; failures: number },
  given: { limits: WaitLimits; now: number; random: number },
): Omit<Next, 'tries'> {
  const { model, askableAt, delayMs, failures } = who
  const { now } = given
  if (askableAt <= now) return { model, delayMs, waitingSince: null }
  const again = looksAgainAt({ askableAt, waitingSince: now, failures }, given)
  return { model, delayMs: Math.max(delayMs, again - now), waitingSince: now }
}

/**
 * Who is to be asked now: `course.model`, or where its provider may not be asked, the next one whose provider may.
 * Where none may, when the first of them may be.
 */
export function chooseNow(
  course: Course,
  facts: Pick<ModelFacts, 'askableAt'>,
  now: number,
): { model: string; askableAt: number; tried: Tried[] } {
  const { model, models, tried } = course
  const mayAt = askableFrom(model, tried, facts)
  if (mayAt <= now) return { model, askableAt: 0, tried }
  const round = roundOf(course)
  const others = models.filter(
    (other) => other !== model && isLeft(other, tried) && !wasAsked(other, tried, round),
  )
  const next = others.find((other) => askableFrom(other, tried, facts) <= now)
  if (next === undefined) {
    const soonest = Math.min(mayAt, ...others.map((other) => askableFrom(other, tried, facts)))
    return { model, askableAt: soonest, tried }
  }
  const passedOver: Tried = { model, code: 'provider_unavailable', at: now, round: noRound, again: now }
  return { model: next, askableAt: 0, tried: [...tried, passedOver].slice(-maxTried) }
}

/** Failures that another model need not share, beside all that are worth another try. */
const othersMayHelp = new Set<ReplyErrorCode>([
  'provider_unauthorized',
  'provider_quota_exceeded',
  'provider_rejected',
  'model_not_found',
  'unsupported_by_model',
  'context_length_exceeded',
])

/** Every round ends with one of the two raised. */
function roundOf({ failures, throttles }: Tries): number {
  return failures + throttles
}

/** Whether nothing was heard of it that will be the same next time. */
function isLeft(model: string, tried: Tried[]): boolean {
  return !tried.some((entry) => entry.model === model && entry.again === null)
}

function wasAsked(model: string, tried: Tried[], round: number): boolean {
  return tried.some((entry) => entry.model === model && entry.round === round)
}

function askableFrom(model: string, tried: Tried[], facts: Pick<ModelFacts, 'askableAt'>): number {
  const said = tried.findLast((entry) => entry.model === model && entry.round !== noRound)?.again ?? 0
  return Math.max(said, facts.askableAt(model))
}

/** What is too long for one model is only for those that take more, as far as that is known. */
function fits(model: string, { code }: { code: ReplyErrorCode }, course: Course, facts: ModelFacts): boolean {
  if (code !== 'context_length_exceeded' || model === course.model) return true
  const [own, others] = [facts.windowOf(model), facts.windowOf(course.model)]
  return own === undefined || others === undefined || own > others
}
