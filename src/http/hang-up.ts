import type { FastifyInstance } from 'fastify'

/**
 * Returns how to tell that the server is about to close: from then on each answer closes its connection. A client
 * would keep it for its next request, and the server wait for that until the client gives it up.
 */
export function hangUpWhenClosing(app: FastifyInstance): () => void {
  let isClosing = false
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isClosing) void reply.header('connection', 'close')
    done(null, payload)
  })
  return () => {
    isClosing = true
  }
}
