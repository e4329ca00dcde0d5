import type { IncomingMessage } from 'node:http'
import { send } from './load.ts'

/** A reader of many streams, which only counts what it gets. */
export interface Watcher {
  /** Opens one more; resolves when its headers are there. */
  watch(url: string): Promise<void>
  readonly open: number
  /** Words of bench/support/upstream.ts that came so far. */
  readonly tokens: number
  readonly events: number
  close(): void
}

export function createWatcher(): Watcher {
  const responses: IncomingMessage[] = []
  let tokens = 0
  let events = 0
  return {
    async watch(url) {
      const { response } = await send('GET', url)
      if (response.statusCode !== 200) throw new Error(`${response.statusCode} at ${url}`)
      responses.push(response)
      response.setEncoding('utf8')
      // Closing it is the only way in which it ends.
      response.on('error', () => {})
      response.on('data', (chunk: string) => {
        tokens += chunk.split('token').length - 1
        events += chunk.split('\nevent: ').length - 1
      })
    },
    get open() {
      return responses.length
    },
    get tokens() {
      return tokens
    },
    get events() {
      return events
    },
    close() {
      for (const response of responses) response.destroy()
    },
  }
}
