import { once } from 'node:events'

export interface Heap {
  /** What is still in use after a collection, in MB. */
  heapUsed: number
  /** Memory of objects outside of the heap, such as buffers, in MB. */
  external: number
}

/**
 * Asks a Node process at the address of its inspector (its Chrome DevTools Protocol) to collect its garbage, and
 * what is left then.
 */
export async function collectGarbage(inspectorUrl: string): Promise<Heap> {
  const socket = new WebSocket(inspectorUrl)
  await once(socket, 'open')
  let id = 0
  async function call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    id += 1
    socket.send(JSON.stringify({ id, method, params }))
    for (;;) {
      const [{ data }] = (await once(socket, 'message')) as [MessageEvent]
      const answer = JSON.parse(String(data)) as { id?: number; result: Record<string, unknown> }
      if (answer.id === id) return answer.result
    }
  }
  await call('HeapProfiler.collectGarbage')
  const { result } = await call('Runtime.evaluate', {
    expression: 'process.memoryUsage()',
    returnByValue: true,
  })
  socket.close()
  const { heapUsed, external } = (result as { value: Heap }).value
  return { heapUsed: heapUsed / 1e6, external: external / 1e6 }
}
