import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import { urlToHttpOptions } from 'node:url'
import { ProviderFailure } from './failure.ts'

const connectTimeoutMs = 10_000
const maxBodyBytes = 8 * 1024 * 1024
/** A connection that the other side had closed already says so at once: a way there and back. */
const atOnceMs = 400

/** Keeps connections to providers open between calls. One for the whole server. */
export interface ProviderHttp {
  /**
   * Sends a request and resolves with the head of the response; the caller reads the body, or destroys it.
   * `node:http` and not `fetch`: reading a stream of small chunks costs a third less.
   * Rejects with a ProviderFailure when there is no response, and with the reason of `signal` when it aborts.
   */
  send(url: URL, options: SendOptions): Promise<IncomingMessage>
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

  /**
   * A connection that was kept may be closed by the other side just as it is used: then a new one is taken. One that
   * breaks later may have brought the request there: sending it again is for those who count that.
   */
  async function send(url: URL, options: SendOptions): Promise<IncomingMessage> {
    try {
      return await sendOnce(url, options)
    } catch (error) {
      if (error instanceof StaleConnection) return sendOnce(url, options)
      throw error
    }
  }

  function sendOnce(url: URL, { method, headers, body, signal }: SendOptions) {
    const secure = url.protocol === 'https:'
    const open = secure ? requestHttps : requestHttp
    return new Promise<IncomingMessage>((resolve, reject) => {
      const request = open({
        ...urlToHttpOptions(url),
        method,
        headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
        agent: secure ? agents.https : agents.http,
        ...(signal && { signal }),
      })
      let sentAt = Number.POSITIVE_INFINITY
      request.once('finish', () => (sentAt = performance.now()))
      request.once('socket', (socket) => limitConnecting(request, socket, secure))
      request.once('response', resolve)
      request.once('error', (error: NodeJS.ErrnoException) => {
        if (signal?.aborted) reject(signal.reason as Error)
        else if (request.reusedSocket && error.code === 'ECONNRESET' && performance.now() - sentAt < atOnceMs)
          reject(new StaleConnection())
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

class StaleConnection extends ProviderFailure {
  constructor() {
    super('provider_unavailable', 'a kept connection was closed by the other side')
  }
}

function limitConnecting(request: ClientRequest, socket: Socket, secure: boolean) {
  if (!socket.connecting) return
  const late = () => request.destroy(new Error(`no connection within ${connectTimeoutMs} ms`))
  const timer = setTimeout(late, connectTimeoutMs)
  const stop = () => clearTimeout(timer)
  socket.once(secure ? 'secureConnect' : 'connect', stop)
  request.once('close', stop)
}

/** The whole body as text. Rejects with a ProviderFailure when it is longer than a provider's answer may be. */
export async function readText(response: IncomingMessage, maxBytes = maxBodyBytes): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response as AsyncIterable<string>) {
    text += chunk
    if (text.length > maxBytes) {
      response.destroy()
      throw new ProviderFailure('provider_malformed', `a body of more than ${maxBytes} bytes`)
    }
  }
  return text
}
