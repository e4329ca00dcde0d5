import type { IncomingMessage, ServerResponse } from 'node:http'
import helmet from 'helmet'

/**
 * The headers that Helmet would set. They are the same for every response, so that it is asked once: working
 * them out each time costs more than the rest of a small request's headers.
 */
export function securityHeaders(): Record<string, string> {
  const headers: Record<string, string> = {}
  const response = {
    setHeader: (name: string, value: string) => (headers[name.toLowerCase()] = value),
    removeHeader: () => {},
  }
  const set = helmet({
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    // Only TLS can promise TLS; what terminates it says so.
    strictTransportSecurity: false,
  })
  set({} as IncomingMessage, response as unknown as ServerResponse, () => {})
  return headers
}
