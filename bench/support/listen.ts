import type { Server } from 'node:http'

/** Listens on a free port of this machine, and tells it to whoever started this process. */
export function listenAndTell(server: Server): void {
  server.keepAliveTimeout = 75_000
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address) process.send?.(address.port)
  })
}
