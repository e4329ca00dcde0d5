import { Agent, type IncomingMessage, request as open } from 'node:http'

/** A client that costs as little as Node allows, so that it is not what is measured. */
export const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })

export interface Sent {
  response: IncomingMessage
  sentAt: number
}

export function send(
  method: string,
  url: string,
  body?: string,
  more: Record<string, string> = {},
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const request = open(url, {
      method,
      agent,
      headers:
        body === undefined
          ? more
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...more },
    })
    const sentAt = performance.now()
    request.on('response', (response) => resolve({ response, sentAt }))
    request.on('error', reject)
    request.end(body)
  })
}

export async function read(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}

export async function call<Body>(method: string, url: string, body?: object): Promise<Body> {
  const { response } = await send(method, url, body === undefined ? undefined : JSON.stringify(body))
  const text = await read(response)
  if ((response.statusCode ?? 500) >= 400) throw new Error(`${response.statusCode} ${text}`)
  return JSON.parse(text) as Body
}

/** Begins `count` interactions at a Parley server, and gives their ids. */
export async function beginInteractions(url: string, count: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) {
    const some = Array.from({ length: Math.min(50, count - ids.length) }, () =>
      call<{ id: string }>('POST', `${url}/v1/interactions`, {}),
    )
    ids.push(...(await Promise.all(some)).map(({ id }) => id))
  }
  return ids
}

export interface Latencies {
  perSecond: number
  p50: number
  p99: number
}

/** `clients` of them repeat `once` for `ms`; how often that was, and how long it took each time. */
export async function repeat(
  clients: number,
  ms: number,
  once: (client: number) => Promise<void>,
): Promise<Latencies> {
  const took: number[] = []
  const startedAt = performance.now()
  const until = startedAt + ms
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      while (performance.now() < until) {
        const at = performance.now()
        await once(client)
        took.push(performance.now() - at)
      }
    }),
  )
  return { perSecond: took.length / ((performance.now() - startedAt) / 1_000), ...percentiles(took) }
}

export function percentiles(values: number[]): { p50: number; p99: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

export function median(values: number[]): number {
  return percentiles(values).p50
}

/** The medians of several rounds. */
export function middle(rounds: Latencies[]): Latencies {
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    p50: median(rounds.map(({ p50 }) => p50)),
    p99: median(rounds.map(({ p99 }) => p99)),
  }
}
