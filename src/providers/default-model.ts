import type { Provider } from './provider.ts'

/**
 * The model to use where none is named: the preferred one of the first provider that has any, as
 * `provider/model`. A provider that prefers none is asked for its list, at most `timeoutMs` long.
 */
export async function chooseDefaultModel(providers: Provider[], timeoutMs = 2_000): Promise<string> {
  for (const provider of providers) {
    const model = provider.preferredModel ?? (await firstListed(provider, timeoutMs))
    if (model) return `${provider.name}/${model}`
  }
  throw new Error('no provider has a model')
}

async function firstListed(provider: Provider, timeoutMs: number): Promise<string | undefined> {
  try {
    const [first] = await provider.listModels(AbortSignal.timeout(timeoutMs))
    return first?.id
  } catch {
    // It does not answer now; another one may.
    return undefined
  }
}
