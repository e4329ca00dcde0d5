import type { LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider'
import type { NewEvent } from '../events/event.ts'
import { type ContentPart, textOf } from '../messages/content.ts'
import { explainFailure, ProviderFailure } from '../providers/failure.ts'
import { checkOutput } from './check-output.ts'
import { goOn } from './go-on.ts'
import { createHearing, type Heard } from './hear.ts'
import type { ReplyOptions } from './options.ts'
import { createCalls } from './calls.ts'

export interface AskLimits {
  firstTokenTimeoutMs: number
  tokenTimeoutMs: number
  replyTimeoutMs: number
  maxReplyChars: number
}

/** What attempts before this one left. */
export interface Before {
  /** What they said, and readers keep. */
  said: ContentPart[]
  /** The ids of all calls that they told. */
  callIds: ReadonlySet<string>
}

/** What came of asking a model: all that it said, and how that ended. */
export interface Answer extends Heard {
  /** All of the content is of attempts before this one. */
  isOld?: boolean
  /** No model was asked: that nothing was said is no failure. */
  isUnasked?: boolean
  /** Why there is no (whole) answer. What is no provider's failure is the reason `abort` was aborted with. */
  failure: unknown
}

/**
 * Asks `model` and hands each piece of its answer to `record`; it goes on with what it said at an attempt before,
 * if it did. Never rejects: whatever goes wrong is in the answer, beside what was said before it. `abort` is also
 * aborted here, when the model takes too long or says too much; that closes the connection to the provider.
 */
export async function askModel(options: {
  model: LanguageModelV4
  call: LanguageModelV4CallOptions
  before: Before
  /** How it was asked for. */
  asked: Pick<ReplyOptions, 'tools' | 'schemaIsAdvice' | 'sealsThoughts'>
  limits: AskLimits
  abort: AbortController
  record: (event: NewEvent) => Promise<void> | undefined
}): Promise<Answer> {
  const { before, asked, limits, abort, record } = options
  const { said } = before
  const { model, call } = textOf(said) === '' ? options : goOn(options.model, options.call, said)
  const answer: Answer = {
    content: structuredClone(said),
    isOld: said.length > 0,
    finish: undefined,
    failure: undefined,
  }
  const watch = watchTime(limits, abort)
  const calls = createCalls(asked.tools, before.callIds)
  const hearing = createHearing(answer, { calls, sealsThoughts: asked.sealsThoughts }, (event) => {
    watch.sawToken()
    answer.isOld = false
    if (hearing.chars > limits.maxReplyChars) {
      abort.abort(new ProviderFailure('reply_too_long', 'the answer is longer than MAX_REPLY_CHARS'))
    }
    return record(event)
  })
  try {
    const started = model.doStream({ ...call, abortSignal: abort.signal })
    const { stream } = await untilAborted(started, abort.signal)
    await readUntilAborted(stream, abort.signal, hearing.hear)
    if (!answer.finish) throw new ProviderFailure('provider_interrupted', 'the stream has no finish part')
    checkOutput(answer, call, asked)
  } catch (error) {
    answer.failure = abort.signal.aborted ? abort.signal.reason : explainFailure(error)
  } finally {
    watch.stop()
    // Closes the connection where the stream was left before its end.
    if (!answer.finish) abort.abort(answer.failure)
  }
  return answer
}

/** Aborts when the first token, the next one or the whole answer takes too long. */
function watchTime(limits: AskLimits, abort: AbortController) {
  const late = (code: 'provider_timeout' | 'reply_timeout', detail: string) => () =>
    abort.abort(new ProviderFailure(code, detail))
  let silence = setTimeout(
    late('provider_timeout', `no token within ${limits.firstTokenTimeoutMs} ms`),
    limits.firstTokenTimeoutMs,
  )
  const whole = setTimeout(
    late('reply_timeout', `not ended within ${limits.replyTimeoutMs} ms`),
    limits.replyTimeoutMs,
  )
  let hasToken = false
  return {
    sawToken() {
      if (hasToken) {
        silence.refresh()
        return
      }
      hasToken = true
      clearTimeout(silence)
      silence = setTimeout(
        late('provider_timeout', `silent for ${limits.tokenTimeoutMs} ms`),
        limits.tokenTimeoutMs,
      )
    },
    stop() {
      clearTimeout(silence)
      clearTimeout(whole)
    },
  }
}

/** A model that does not listen to its signal holds nobody up. */
function untilAborted<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    void Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** Hands each part to `take`, and waits where that asks for it. A generator would cost as much as the rest. */
async function readUntilAborted<T>(
  stream: ReadableStream<T>,
  signal: AbortSignal,
  onPart: (part: T) => Promise<void> | undefined,
): Promise<void> {
  const reader = stream.getReader()
  // Ends a read that waits, even where the stream itself would hang.
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {})
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      signal.throwIfAborted()
      if (done) return
      const wait = onPart(value)
      if (wait) await wait
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
