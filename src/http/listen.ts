import type { FastifyInstance } from 'fastify'
import { StartupError } from '../errors.ts'

/** Listens on `host` and `port`. Rejects with a StartupError that says what is wrong with them. */
export async function listen(
  server: FastifyInstance,
  { host, port }: { host: string; port: number },
): Promise<void> {
  try {
    await server.listen({ host, port })
  } catch (error) {
    throw explainListenFailure(error, host, port)
  }
}

function explainListenFailure(error: unknown, host: string, port: number): unknown {
  const explanations: Record<string, string> = {
    EADDRINUSE: `PORT: ${port} on ${host} is taken by another program; stop that one, or set PORT to a free one.`,
    EACCES: `PORT: this user may not listen on ${port}; set PORT to 1024 or higher.`,
    EADDRNOTAVAIL: `HOST: ${host} is no address of this machine.`,
    ENOTFOUND: `HOST: the name ${host} is not known.`,
    EAI_AGAIN: `HOST: the name ${host} cannot be looked up now.`,
  }
  const explanation = explanations[(error as NodeJS.ErrnoException).code ?? '']
  return explanation ? new StartupError(explanation, { cause: error }) : error
}
