import type { LanguageModelV4CallOptions } from '@ai-sdk/provider'

/** Says in a call that its last message is the beginning of the answer, which the model shall go on with. */
export const continuation = { parley: { continues: true } }

export function isContinuation({ providerOptions }: Pick<LanguageModelV4CallOptions, 'providerOptions'>) {
  return providerOptions?.['parley']?.['continues'] === true
}
