import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'
import { StoppingError } from '../errors.ts'
import type { NewEvent } from '../events/event.ts'
import { type CompactionPart, type ContentPart, textOf } from '../messages/content.ts'
import type { Turn } from '../messages/history.ts'
import { ProviderFailure } from '../providers/failure.ts'
import type { Models } from '../providers/registry.ts'
import { type Answer, type AskLimits, askModel, type Before } from './ask.ts'
import { failureOf, tokensOf } from './judge.ts'
import type { OpenReply } from './open-store.ts'
import type { ReplyOptions } from './options.ts'
import type { Prepare } from './prepare.ts'
import { compactionOf } from './summing-up.ts'

type Tell = (event: NewEvent) => Promise<void> | undefined

/** One attempt at a reply, as far as its model is concerned. */
export interface Attempt {
  reply: OpenReply
  before: Before
  abort: AbortController
  /** Records what the model says. */
  record: Tell
  /** Called with each sign of life. */
  onWord: () => void
}

/**
 * Has the model of a reply answer; before that, sum up what was said where that has become too long. Never rejects:
 * whatever goes wrong is part of the answer.
 */
export function createAnswering(parts: {
  models: Pick<Models, 'resolve' | 'load'>
  prepare: Prepare
  takeTime: (provider: string) => Promise<void>
  limits: AskLimits
}) {
  const { models, prepare, takeTime, limits } = parts

  return async function answer({ reply, before, abort, record, onWord }: Attempt): Promise<Answer> {
    if (reply.options.generates === false) return unasked
    let told = before
    let isUnasked = true
    try {
      const resolved = models.resolve(reply.model)
      const prepared = await prepare(reply, resolved, told.said)
      const model = await models.load(resolved)
      const { firstTokenTimeoutMs = limits.firstTokenTimeoutMs } = resolved.provider

      function ask(call: LanguageModelV4CallOptions, given: Before, asked: ReplyOptions, tell: Tell) {
        // Who was not asked yet is left to the next process, whatever is to become of those that were.
        abort.signal.throwIfAborted()
        isUnasked = false
        return askModel({
          model,
          call,
          before: given,
          asked,
          limits: { ...limits, firstTokenTimeoutMs },
          abort,
          record(event) {
            onWord()
            return tell(event)
          },
        })
      }

      if (prepared.kind === 'answer')
        return ended(reply, await ask(prepared.call, told, reply.options, record))
      const summedUp = await ask(prepared.call, nothing, {}, () => undefined)
      const { type, ...summary } = compactionFrom(summedUp, prepared.history)
      await record({ type: 'compaction.done', data: summary })
      told = { ...before, said: [{ type, ...summary }] }
      const { call } = await prepare(reply, resolved, told.said)
      // The time that was agreed on was for the summary.
      await takeTime(resolved.provider.name)
      return ended(reply, await ask(call, told, reply.options, record))
    } catch (failure) {
      return ended(reply, { ...only(told.said, failure), isUnasked })
    }
  }
}

/** Of an answer that nobody may be asked for again, what was said until the server stops is all there is. */
function ended({ options }: OpenReply, answer: Answer): Answer {
  const isLeft = answer.failure instanceof StoppingError && !answer.isUnasked
  if (options.onCrash !== 'fail' || !isLeft) return answer
  return { ...answer, failure: new ProviderFailure('crashed', 'its server was stopped') }
}

/** What stands for `history` from now on, by who was asked to sum it up; throws where that came to nothing. */
function compactionFrom(summedUp: Answer, history: Turn[]): CompactionPart {
  const { content, finish, failure } = summedUp
  if (failure !== undefined) throw failure
  const unusable = failureOf(summedUp) ?? cutOff(finish?.reason.unified)
  if (unusable) throw unusable
  const summary = textOf(content)
  if (summary === '') throw new ProviderFailure('provider_empty', 'no summary')
  return compactionOf(history, summary, finish && tokensOf(finish.usage))
}

/** What is missing in a summary is lost to every answer behind it; asked again, it would be cut off there again. */
function cutOff(reason: string | undefined): ProviderFailure | undefined {
  if (reason === 'length') return new ProviderFailure('max_output_tokens', 'the summary was cut off')
  if (reason === 'content-filter') return new ProviderFailure('content_filtered', 'in the summary')
  return undefined
}

/** Of an attempt that is the first. */
export const nothing: Before = { said: [], callIds: new Set() }

/** What was said before, and nothing more. */
export function only(said: ContentPart[], failure: unknown): Answer {
  return { content: said, isOld: true, isUnasked: true, finish: undefined, failure }
}

const unasked: Answer = {
  content: [],
  isUnasked: true,
  finish: {
    reason: { unified: 'stop', raw: undefined },
    usage: {
      inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 0, text: 0, reasoning: 0 },
    },
  },
  failure: undefined,
}
