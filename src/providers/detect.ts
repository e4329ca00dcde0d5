import type { Config } from '../config.ts'
import { createG4f } from './g4f.ts'
import type { ProviderHttp } from './http.ts'
import { createOllama } from './ollama.ts'
import type { Provider, ProviderSource } from './provider.ts'

const probeMs = 300

interface Candidate {
  url: string
  create: (options: {
    url: string
    source: ProviderSource
    preferredModel?: string | undefined
    http: ProviderHttp
  }) => Provider
}

/**
 * Looks for model servers on this machine, at most `probeMs` long. A server that answers but offers no model
 * is not taken: it could not be a default.
 */
export async function detectProviders(config: Config, http: ProviderHttp): Promise<Provider[]> {
  if (config.detect === 'off') return []
  const candidates: Candidate[] = [
    { url: config.ollamaUrl, create: createOllama },
    { url: config.g4fUrl, create: createG4f },
  ]
  const found = await Promise.all(candidates.map((candidate) => probe(candidate, http)))
  return found.filter((provider) => provider !== undefined)
}

async function probe({ url, create }: Candidate, http: ProviderHttp): Promise<Provider | undefined> {
  try {
    const [first] = await create({ url, source: 'detected', http }).listModels(AbortSignal.timeout(probeMs))
    return first && create({ url, source: 'detected', preferredModel: first.id, http })
  } catch {
    // Nobody there, or something else: not a failure of this server.
    return undefined
  }
}
