import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { type ContentPart, textOf } from '../messages/content.ts'
import { estimateTokens } from '../messages/tokens.ts'
import { continuation } from '../providers/continuation.ts'

/**
 * A call that has the model go on with what it `said`, and the model so that its text follows that without a seam:
 * vendors refuse a beginning that ends in a space, and models begin with the space that is missing then.
 */
export function goOn(
  model: LanguageModelV4,
  call: LanguageModelV4CallOptions,
  said: ContentPart[],
): { model: Pick<LanguageModelV4, 'doStream'>; call: LanguageModelV4CallOptions } {
  const whole = textOf(said)
  const text = whole.trimEnd()
  const { maxOutputTokens } = call
  // A summary of what was said before is no part of the answer that it may give.
  const ownWords = said.filter(({ type }) => type !== 'compaction')
  return {
    call: {
      ...call,
      prompt: [...call.prompt, { role: 'assistant', content: [{ type: 'text', text }] }],
      // The limit is one for the whole answer; without room for a token it could not come to its end.
      ...(maxOutputTokens !== undefined && {
        maxOutputTokens: Math.max(1, maxOutputTokens - estimateTokens(ownWords)),
      }),
      providerOptions: { ...call.providerOptions, ...continuation },
    },
    model: {
      async doStream(options) {
        const result = await model.doStream(options)
        return { ...result, stream: result.stream.pipeThrough(withoutRepeated(whole.slice(text.length))) }
      },
    },
  }
}

/** Takes from the beginning of a text the white space that was said before it. */
function withoutRepeated(space: string) {
  let rest = space
  return new TransformStream<LanguageModelV4StreamPart, LanguageModelV4StreamPart>({
    transform(part, controller) {
      if (part.type !== 'text-delta' || rest === '') {
        controller.enqueue(part)
        return
      }
      let same = 0
      while (same < rest.length && part.delta[same] === rest[same]) same += 1
      rest = same === part.delta.length ? rest.slice(same) : ''
      controller.enqueue({ ...part, delta: part.delta.slice(same) })
    },
  })
}
