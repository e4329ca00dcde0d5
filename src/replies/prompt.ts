import type { LanguageModelV4CallOptions, LanguageModelV4Message } from '@ai-sdk/provider'
import type { Interaction, Sampling } from '../interactions/interaction.ts'
import { textOf } from '../messages/content.ts'
import type { Turn } from '../messages/history.ts'

/**
 * What a model is asked: the interaction's prompt, what was said, and how to answer. All system messages go
 * to the front as one, because many models and chat templates take no more, and nowhere else.
 */
export function modelCall(
  interaction: Pick<Interaction, 'prompt' | 'sampling'>,
  history: Turn[],
): LanguageModelV4CallOptions {
  const system = [interaction.prompt ?? '', ...history.filter(isSystem).map(({ content }) => textOf(content))]
    .filter((text) => text !== '')
    .join('\n\n')
  const said = history.filter((turn) => !isSystem(turn)).map((turn) => toMessage(turn))
  return {
    prompt: system === '' ? said : [{ role: 'system', content: system }, ...said],
    ...samplingOptions(interaction.sampling),
  }
}

function isSystem({ role }: Turn): boolean {
  return role === 'System'
}

function toMessage({ role, content }: Turn): LanguageModelV4Message {
  const text = { type: 'text' as const, text: textOf(content) }
  return role === 'AI' ? { role: 'assistant', content: [text] } : { role: 'user', content: [text] }
}

function samplingOptions(sampling: Sampling): Omit<LanguageModelV4CallOptions, 'prompt'> {
  const options = {
    temperature: sampling.temperature,
    topP: sampling.top_p,
    maxOutputTokens: sampling.max_output_tokens,
    stopSequences: sampling.stop,
    seed: sampling.seed,
    presencePenalty: sampling.presence_penalty,
    frequencyPenalty: sampling.frequency_penalty,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
