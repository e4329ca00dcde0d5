import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
} from '@ai-sdk/provider'
import { ProviderFailure } from './failure.ts'

/** `doGenerate` for a model that only streams: the stream, gathered. */
export async function generateFromStream(
  model: LanguageModelV4,
  options: LanguageModelV4CallOptions,
): Promise<LanguageModelV4GenerateResult> {
  const { stream } = await model.doStream(options)
  const content: LanguageModelV4Content[] = []
  for await (const part of stream) {
    const last = content.at(-1)
    if (part.type === 'text-start') content.push({ type: 'text', text: '' })
    else if (part.type === 'reasoning-start') content.push({ type: 'reasoning', text: '' })
    else if (part.type === 'text-delta' && last?.type === 'text') last.text += part.delta
    else if (part.type === 'reasoning-delta' && last?.type === 'reasoning') last.text += part.delta
    else if (part.type === 'tool-call') content.push(part)
    else if (part.type === 'error') throw part.error
    else if (part.type === 'finish') {
      return { content, finishReason: part.finishReason, usage: part.usage, warnings: [] }
    }
  }
  throw new ProviderFailure('provider_interrupted', 'the stream ended without its finish part')
}
