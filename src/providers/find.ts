import type { Config } from '../config.ts'
import { createBuiltin } from './builtin/eliza.ts'
import { configuredProviders } from './configured.ts'
import { chooseDefaultModel } from './default-model.ts'
import { detectProviders } from './detect.ts'
import type { ProviderHttp } from './http.ts'
import type { Provider } from './provider.ts'

/**
 * Every provider this server has, best first: what is configured, what was detected on this machine, and the
 * built-in one that is always there; with the model to use where none is named.
 */
export async function findProviders(
  config: Config,
  http: ProviderHttp,
): Promise<{ providers: Provider[]; defaultModel: string }> {
  const continuing = new Set<string>(config.continuingProviders)
  const found = [...configuredProviders(config, http), ...(await detectProviders(config, http))]
  const providers = [
    ...found.map((provider) =>
      continuing.has(provider.name) ? { ...provider, canContinue: true } : provider,
    ),
    createBuiltin({ tokenMs: config.elizaTokenMs }),
  ]
  return { providers, defaultModel: config.defaultModel ?? (await chooseDefaultModel(providers)) }
}
