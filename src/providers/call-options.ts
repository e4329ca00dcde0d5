import type {
  LanguageModelV4StreamPart,
  LanguageModelV4ToolCallPart,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider'

/**
 * What the port has no field for, in each vendor's words. Each reads what stands under its own name; our own
 * `openai-compatible` reads OpenAI's.
 */
export function vendorOptions(asked: {
  parallelToolCalls?: boolean | undefined
  reasoningSummary?: string | undefined
  /** Whether the provider holds its model to the schema of the answer. */
  strictSchema?: boolean | undefined
}): SharedV4ProviderOptions | undefined {
  const { parallelToolCalls, reasoningSummary, strictSchema } = asked
  const shared = {
    ...(parallelToolCalls !== undefined && { parallelToolCalls }),
    ...(strictSchema !== undefined && { strictJsonSchema: strictSchema }),
  }
  const openai = { ...shared, ...(reasoningSummary !== undefined && { reasoningSummary }) }
  if (Object.keys(openai).length === 0) return undefined
  const anthropic =
    parallelToolCalls === undefined ? {} : { anthropic: { disableParallelToolUse: !parallelToolCalls } }
  return { openai, mistral: shared, ...anthropic }
}

/** How closely a model looks at a picture. */
export function pictureOptions(detail: string | undefined): SharedV4ProviderOptions | undefined {
  return detail === undefined ? undefined : { openai: { imageDetail: detail } }
}

/** What marks a text as a refusal: the port has no kind of part for it. */
export const refusalMark = { parley: { refusal: true } }

export function isRefusal(part: Extract<LanguageModelV4StreamPart, { type: 'text-delta' }>): boolean {
  return part.providerMetadata?.['parley']?.['refusal'] === true
}

/** The arguments of a call as they were written: the port has them read, and then 1.0 is 1. */
export function writtenOptions(args: string): SharedV4ProviderOptions {
  return { parley: { arguments: args } }
}

/** The same, for who sends them as text. */
export function writtenArguments({ input, providerOptions }: LanguageModelV4ToolCallPart): string {
  const written = providerOptions?.['parley']?.['arguments']
  return typeof written === 'string' ? written : JSON.stringify(input)
}
