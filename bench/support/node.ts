import { type Running, startParley } from './processes.ts'

/** Starts a node on a database, whose models are those of the upstream. */
export function startNode(
  databaseUrl: string,
  upstream: Running,
  model: string,
  env: Record<string, string> = {},
): Promise<Running> {
  return startParley({
    DATABASE_URL: databaseUrl,
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: `openai/${model}`,
    ...env,
  })
}
