import type { IncomingMessage } from 'node:http'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { ParleyError } from '../errors.ts'
import { splitQuery } from './refusal-shapes.ts'

/** The paths that can be a WebSocket. */
const paths = new Set(['/v1/responses'])

/**
 * Whether a request that asks for another protocol gets it. All others are answered as if it had not: clients ask for
 * HTTP/2 by the way, and take HTTP/1.1.
 */
export function mayUpgrade({ url = '', headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' && paths.has(splitQuery(url)[0])
}

/** Lets routes of `app` have a `wsHandler`. What comes in one message is as limited as a body. */
export async function acceptWebSockets(
  app: FastifyInstance,
  { bodyLimitBytes, corsOrigins }: { bodyLimitBytes: number; corsOrigins: string[] },
): Promise<void> {
  await app.register(websocket, {
    options: { maxPayload: bodyLimitBytes },
    // A client that leaves without a word is nobody's fault.
    errorHandler: (_error, socket) => socket.terminate(),
  })
  // Browsers ask no server whether a page may open one: they only say whose page it is.
  app.addHook('onRequest', async ({ ws, headers: { origin } }) => {
    if (!ws || origin === undefined || corsOrigins.includes('*') || corsOrigins.includes(origin)) return
    throw new ParleyError('forbidden', 'Pages of this origin may not open a WebSocket: see CORS_ORIGINS.', {
      fields: [{ in: 'header', field: 'origin', message: 'is not in CORS_ORIGINS' }],
    })
  })
  // What was refused before it was known to be one holds its connection, which nobody else closes.
  app.addHook('onResponse', async ({ ws, raw }) => {
    if (!ws && mayUpgrade(raw)) raw.socket.destroy()
  })
}
