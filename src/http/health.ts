import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ParleyError } from '../errors.ts'
import { publicProblems } from './answers.ts'

const healthSchema = z.object({ status: z.literal('ok') })

/** `/healthz`: the process answers. `/readyz`: it also takes work. */
export function registerHealth(app: FastifyInstance, isReady: () => Promise<boolean>): void {
  const config = { isPublic: true }
  const security: [] = []
  app.get(
    '/healthz',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        tags: ['Health'],
        security,
        summary: 'Whether the process lives',
        response: { 200: healthSchema, ...publicProblems() },
      },
    },
    async () => ({ status: 'ok' }),
  )
  app.get(
    '/readyz',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        tags: ['Health'],
        security,
        summary: 'Whether the server takes requests',
        response: { 200: healthSchema, ...publicProblems('server_stopping') },
      },
    },
    async () => {
      if (await isReady()) return { status: 'ok' }
      throw new ParleyError('server_stopping', 'The server takes no requests now.', { retryAfterMs: 1_000 })
    },
  )
}

/** Refuses every other path, and says why. */
export function serveOnlyHealth(app: FastifyInstance, why: string): void {
  app.addHook('onRequest', async ({ is404 }) => {
    if (is404) throw new ParleyError('not_found', why)
  })
}
