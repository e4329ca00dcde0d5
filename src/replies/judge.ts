import type { LanguageModelV4Usage } from '@ai-sdk/provider'
import { ParleyError, replyErrors, type ReplyErrorCode } from '../errors.ts'
import { shownContent } from '../messages/content.ts'
import type { Usage } from '../messages/message.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Answer } from './ask.ts'
import { askAnew, type Course, decideNext, type ModelFacts, type Next } from './failover.ts'
import type { RetryLimits } from './retry.ts'
import type { Ending } from './store.ts'
import type { WaitLimits } from './waiting.ts'

/** What becomes of a reply: it ends, or it is tried again, by whoever is next. */
export type Verdict =
  | { kind: 'end'; ending: Ending; failure: ProviderFailure | undefined }
  | { kind: 'retry'; next: Next; failure: ProviderFailure }

/**
 * What becomes of a reply after an attempt at it. Once a token of it was seen nothing is tried again: what was said
 * stays, as incomplete; where it is of attempts before, only its own model is asked again, and from the beginning if
 * it does not take what it said.
 */
export function judge(
  answer: Answer,
  course: Course,
  given: { facts: ModelFacts; limits: RetryLimits & WaitLimits; now: number; random: number },
): Verdict {
  const failure = failureOf(answer)
  if (!failure) return { kind: 'end', ending: endingOf(answer), failure: undefined }
  const wasSeen = shownContent(answer.content).some(({ type }) => type !== 'compaction')
  const isOld = wasSeen && answer.isOld === true
  if (isOld && refusals.has(failure.code)) {
    return { kind: 'retry', next: askAnew(failure, course, given.now), failure }
  }
  // Nobody else goes on with what a model said at an attempt before.
  const asked = wasSeen ? { ...course, models: [course.model] } : course
  const next = wasSeen && !isOld ? undefined : decideNext(failure, asked, given)
  if (next) return { kind: 'retry', next, failure }
  const ending = endWith(wasSeen ? 'incomplete' : 'failed', failure.code, usageOf(answer))
  return { kind: 'end', ending, failure }
}

/** What a model says that does not take the beginning of its answer; whatever else it refuses, it will refuse again. */
const refusals = new Set<ReplyErrorCode>(['provider_rejected', 'unsupported_by_model'])

/** An ending whose reason is told to the client. */
export function endWith(
  status: 'incomplete' | 'failed',
  code: ReplyErrorCode,
  usage: Usage | null = null,
): Ending {
  return { status, finishReason: null, usage, error: { code, message: replyErrors[code] } }
}

/** Why there is no (whole) answer; undefined where nothing failed. */
export function failureOf({ content, finish, failure, isUnasked }: Answer): ProviderFailure | undefined {
  if (failure instanceof ProviderFailure) return failure
  if (failure instanceof ParleyError && failure.code === 'unknown_model') {
    return new ProviderFailure('model_not_found', failure.message)
  }
  if (failure !== undefined) {
    return new ProviderFailure('internal_error', failure instanceof Error ? failure.message : 'unknown', {
      isRetryable: false,
      cause: failure,
    })
  }
  if (isUnasked) return undefined
  const reason = finish?.reason.unified
  if (reason === 'error')
    return new ProviderFailure('provider_unavailable', `finish reason: ${finish?.reason.raw}`)
  if (reason === 'interrupted' || (reason === 'other' && finish?.reason.raw === undefined)) {
    // Vendors' packages end a stream that broke off as they end any other, only without the provider's reason.
    return new ProviderFailure('provider_interrupted', 'the stream ended without a finish reason')
  }
  const saidNothing = content.every(({ type }) => type === 'reasoning' || type === 'compaction')
  if (!saidNothing) return undefined
  // A filter, or too small a limit, is a reason of its own.
  if (reason === 'content-filter') return new ProviderFailure('content_filtered', 'held back whole')
  if (reason === 'length') return undefined
  return new ProviderFailure('provider_empty', `finish reason: ${reason}, without content`)
}

function endingOf(answer: Answer): Ending {
  const { finish } = answer
  const usage = usageOf(answer)
  const finishReason = finish?.reason.unified ?? null
  const cutOff = finishReason === null ? undefined : cutOffs.get(finishReason)
  if (cutOff) return { ...endWith('incomplete', cutOff, usage), finishReason }
  return { status: 'completed', finishReason, usage, error: null }
}

const cutOffs = new Map<string, ReplyErrorCode>([
  ['length', 'max_output_tokens'],
  ['content-filter', 'content_filtered'],
])

/** Of the answer, and of what was summed up for it. */
function usageOf({ content, finish }: Answer): Usage | null {
  const summed = content.find((part) => part.type === 'compaction')?.usage
  const used = finish && tokensOf(finish.usage)
  return used && summed ? added(used, summed) : (used ?? summed ?? null)
}

function added(one: Usage, other: Usage): Usage {
  const sum = (name: keyof Usage) => {
    const [first, second] = [one[name], other[name]]
    return first === null && second === null ? null : (first ?? 0) + (second ?? 0)
  }
  return {
    input_tokens: sum('input_tokens'),
    cached_input_tokens: sum('cached_input_tokens'),
    output_tokens: sum('output_tokens'),
    reasoning_tokens: sum('reasoning_tokens'),
  }
}

/** As the provider counted. */
export function tokensOf(usage: LanguageModelV4Usage): Usage {
  return {
    input_tokens: usage.inputTokens.total ?? null,
    cached_input_tokens: usage.inputTokens.cacheRead ?? null,
    output_tokens: usage.outputTokens.total ?? null,
    reasoning_tokens: usage.outputTokens.reasoning ?? null,
  }
}
