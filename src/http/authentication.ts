import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ParleyError } from '../errors.ts'

/** Who is asking. */
export interface Principal {
  /** Whose rows it may see. */
  ownerId: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every request that got past authentication. */
    principal: Principal
  }
  interface FastifyContextConfig {
    /** Served to everybody. */
    isPublic?: boolean
  }
}

/** Asks `authenticate` for the principal of every request but those of public routes. */
export function requirePrincipal(
  app: FastifyInstance,
  authenticate: (authorization: string | undefined) => Promise<Principal | undefined>,
): void {
  app.decorateRequest('principal')
  app.addHook('onRequest', async (request: FastifyRequest) => {
    if (request.routeOptions.config.isPublic) return
    const principal = await authenticate(request.headers.authorization)
    if (!principal) {
      throw new ParleyError('unauthorized', 'Send a valid key as "Authorization: Bearer <key>".', {
        fields: [{ in: 'header', field: 'authorization', message: 'carries no valid key' }],
      })
    }
    request.principal = principal
  })
}
