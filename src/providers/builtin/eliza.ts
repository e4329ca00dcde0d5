import { setTimeout as pause } from 'node:timers/promises'
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import { isContinuation } from '../continuation.ts'
import { ProviderFailure } from '../failure.ts'
import { generateFromStream } from '../generate.ts'
import type { Provider } from '../provider.ts'
import { answer } from './doctor.ts'
import { callIn, callTool, resultIn } from './tools.ts'

const introduction =
  "(I am ELIZA, Parley's built-in demo: a few rules from 1966's idea, no language model. " +
  'Set OPENAI_API_KEY, or start Ollama, to talk to a real one.) '

/**
 * `builtin/eliza`: answers offline and without a key, the same to the same conversation, so that the first run
 * and every test work. Where tools are offered, `call <tool> {json}` makes it call one, and what that gives back it
 * says. `tokenMs` is the pause between two words.
 */
export function createBuiltin({ tokenMs }: { tokenMs: number }): Provider {
  return {
    name: 'builtin',
    source: 'builtin',
    preferredModel: 'eliza',
    canContinue: true,
    async model(id) {
      if (id === 'eliza') return createEliza(tokenMs)
      throw new ProviderFailure('model_not_found', `builtin has no model "${id}"`)
    },
    listModels: async () => [{ id: 'eliza', contextWindowTokens: 32_768 }],
  }
}

function createEliza(tokenMs: number): LanguageModelV4 {
  const model: LanguageModelV4 = {
    specificationVersion: 'v4',
    provider: 'builtin',
    modelId: 'eliza',
    supportedUrls: {},
    doGenerate: (options) => generateFromStream(model, options),
    doStream: async (options) => ({ stream: ReadableStream.from(speak(options, tokenMs)) }),
  }
  return model
}

async function* speak(
  options: LanguageModelV4CallOptions,
  tokenMs: number,
): AsyncGenerator<LanguageModelV4StreamPart> {
  const { prompt, responseFormat, maxOutputTokens, abortSignal } = options
  if (responseFormat?.type === 'json') {
    throw new ProviderFailure('unsupported_by_model', 'builtin/eliza writes no JSON')
  }
  yield { type: 'stream-start', warnings: [] }
  const call = callIn(options)
  if (call) {
    yield* callTool(call)
    yield {
      type: 'finish',
      finishReason: { unified: 'tool-calls', raw: undefined },
      usage: usageOf(prompt, 1),
    }
    return
  }
  const saying = isContinuation(options) ? restOf(prompt) : sayTo(prompt)
  const words = saying.match(/\s*\S+\s*/g) ?? []
  const spoken = words.slice(0, maxOutputTokens)
  yield { type: 'text-start', id: 'text' }
  for (const [index, word] of spoken.entries()) {
    if (index > 0 && tokenMs > 0) {
      await pause(tokenMs, undefined, { ...(abortSignal && { signal: abortSignal }) })
    }
    abortSignal?.throwIfAborted()
    yield { type: 'text-delta', id: 'text', delta: word }
  }
  yield { type: 'text-end', id: 'text' }
  yield {
    type: 'finish',
    finishReason: { unified: spoken.length < words.length ? 'length' : 'stop', raw: undefined },
    usage: usageOf(prompt, spoken.length),
  }
}

/** What it would say to all but the last message, behind that; it says the same to the same every time. */
function restOf(prompt: LanguageModelV4Prompt): string {
  const said = textOf(prompt.at(-1))
  const whole = sayTo(prompt.slice(0, -1))
  return whole.startsWith(said) ? whole.slice(said.length) : ''
}

function sayTo(prompt: LanguageModelV4Prompt): string {
  const result = resultIn(prompt)
  if (result !== undefined) return `The tool says: ${result}`
  const turn = prompt.filter((message) => message.role === 'assistant').length
  const asked = prompt.findLast((message) => message.role === 'user')
  const blind = asked?.content.some(({ type }) => type === 'file')
    ? '(I can see no pictures and no files.) '
    : ''
  return `${turn === 0 ? introduction : ''}${blind}${answer(textOf(asked), turn)}`
}

function textOf(message: LanguageModelV4Prompt[number] | undefined): string {
  if (!message) return ''
  if (message.role === 'system') return message.content
  return message.content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

/** Its tokens are words. */
function usageOf(prompt: LanguageModelV4Prompt, spokenWords: number) {
  const heard = prompt.reduce((words, message) => words + (textOf(message).match(/\S+/g)?.length ?? 0), 0)
  return {
    inputTokens: { total: heard, noCache: heard, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: spokenWords, text: spokenWords, reasoning: undefined },
  }
}
