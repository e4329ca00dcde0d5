import type { APICallError, LanguageModelV4Prompt, SharedV4ProviderMetadata } from '@ai-sdk/provider'

export type Thoughts = ReturnType<typeof createThoughts>

/**
 * Which models of an endpoint are told again what was thought, as `reasoning_content`. Some that tell it under that
 * name refuse to go on from a call of a tool without it (api-docs.deepseek.com/guides/thinking_mode; Kimi, GLM and
 * MiMo are alike); others, Mistral and Groq among them, refuse it as a field that they do not know. So it is for
 * those that were heard to use it, or that missed it in a refusal.
 */
export function createThoughts(provider: string) {
  /** By model, what it showed. */
  const known = new Map<string, boolean>()
  /** Stays with a thought that is to go back. */
  const mark: SharedV4ProviderMetadata = { [provider]: { reasoningContent: true } }

  return {
    /** Whether `model` wants them: as it showed here, or as marks in what was said show. */
    areWanted: (model: string, prompt: LanguageModelV4Prompt): boolean =>
      known.get(model) ?? prompt.some((message) => hasMarked(message, provider)),
    learn: (model: string, areWanted: boolean) => void known.set(model, areWanted),
    /** Says what marks a thought that `model` told so: where it has tools, each may be wanted back. */
    heard(model: string, hasTools: boolean): SharedV4ProviderMetadata | undefined {
      // One that refused them says so for good, whatever it tells.
      if (!known.has(model)) known.set(model, true)
      return hasTools ? mark : undefined
    },
  }
}

function hasMarked({ role, content }: LanguageModelV4Prompt[number], provider: string): boolean {
  return (
    role === 'assistant' &&
    content.some(
      (part) => part.type === 'reasoning' && part.providerOptions?.[provider]?.['reasoningContent'] === true,
    )
  )
}

/** Whether an endpoint refused for thoughts that it was told, or was not. */
export function isAboutThoughts({ statusCode, responseBody = '' }: APICallError): boolean {
  return (statusCode === 400 || statusCode === 422) && responseBody.includes('reasoning_content')
}
