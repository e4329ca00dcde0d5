import { Agent, request } from 'node:http'
import type { Answer, Json } from '../client.ts'

const deadlineMs = 5_000
/** The stream of an interaction. */
const endless = /^\/v1\/interactions\/[^/?]+\/events/

/**
 * Sends requests that `fetch` would tidy up first. Rejects where the whole answer is not there in time.
 */
export function createSender(url: string) {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true })

  function send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: Buffer | undefined,
  ): Promise<Answer<Json>> {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': String(body.length) }
      const signal = AbortSignal.timeout(deadlineMs)
      const asked = request(
        { agent, hostname, port, method, path, headers: { ...headers, ...length }, signal },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          // It ends with its interaction: that it begins is all there is to wait for.
          const isEndless = endless.test(path) && response.statusCode === 200
          if (isEndless) response.destroy()
          else response.on('error', reject)
          response.on(isEndless ? 'close' : 'end', () => {
            const answered = new Headers(response.headers as Record<string, string>)
            const text = Buffer.concat(chunks).toString()
            const isJson = /json/.test(answered.get('content-type') ?? '')
            resolve({
              status: response.statusCode ?? 0,
              headers: answered,
              body: isJson ? JSON.parse(text) : text,
            })
          })
        },
      )
      asked.on('error', reject)
      asked.end(body)
    })
  }

  return { send, close: () => agent.destroy() }
}
