import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { ProviderFailure } from './failure.ts'

const connectTimeoutMs = 10_000
const maxBodyBytes = 8 * 1024 * 1024

/** Keeps connections to providers open between calls. One for the whole server. */
export interface ProviderHttp {
  /**
   * Sends a request and resolves with the head of the response; the caller reads the body, or destroys it.
   * `node:http` and not `fetch`: reading a stream of small chunks costs a third less.
   * Rejects with a ProviderFailure when there is no response, and with the reason of `signal` when it aborts.
   */
  send(url: string, options: SendOptions): Promise<IncomingMessage>
  close(): void
}

export interface SendOptions {
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
  signal: AbortSignal | undefined
}

export function createProviderHttp(): ProviderHttp {
  const agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) }

  function send(url: string, { method, headers, body, signal }: SendOptions) {
    const secure = url.startsWith('https:')
    const open = secure ? requestHttps : requestHttp
    return new Promise<IncomingMessage>((resolve, reject) => {
      const request = open(url, {
        method,
        headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
        agent: secure ? agents.https : agents.http,
        ...(signal && { signal }),
      })
      const connecting = setTimeout(
        () => request.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)),
        connectTimeoutMs,
      )
      const connected = () => clearTimeout(connecting)
      request.once('socket', (socket) => {
        if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', connected)
        else connected()
      })
      request.once('close', connected)
      request.once('response', resolve)
      request.once('error', (error) => {
        if (signal?.aborted) reject(signal.reason as Error)
        else reject(new ProviderFailure('provider_unavailable', error.message, { cause: error }))
      })
      request.end(body)
    })
  }

  return {
    send,
    close() {
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}

/** The whole body as text. Rejects with a ProviderFailure when it is longer than a provider's answer may be. */
export async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response as AsyncIterable<string>) {
    text += chunk
    if (text.length > maxBodyBytes) {
      response.destroy()
      throw new ProviderFailure('provider_malformed', `a body of more than ${maxBodyBytes} bytes`)
    }
  }
  return text
}
