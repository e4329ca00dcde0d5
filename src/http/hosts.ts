import type { FastifyInstance } from 'fastify'
import { ParleyError } from '../errors.ts'

/**
 * Refuses requests under a name that is not this machine's. Without authentication a server on loopback is
 * protected only by the browser's same-origin rule, which a page gets round by pointing its own name at
 * 127.0.0.1 (DNS rebinding).
 */
export function requireKnownHost(app: FastifyInstance, allowedHosts: string[]): void {
  const allowed = new Set(['localhost', '[::1]', ...allowedHosts.map((host) => host.toLowerCase())])
  app.addHook('onRequest', async ({ hostname }) => {
    if (allowed.has(hostname.toLowerCase()) || /^127(\.\d{1,3}){3}$/.test(hostname)) return
    throw new ParleyError('host_not_allowed', 'This name is not in ALLOWED_HOSTS.', {
      fields: [{ in: 'header', field: 'host', message: 'is not in ALLOWED_HOSTS' }],
    })
  })
}
