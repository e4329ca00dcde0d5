import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** What the upstream was asked. */
export interface UpstreamRequest {
  model: string
  body: { messages: Array<{ role: string; content: unknown }>; [field: string]: unknown }
  headers: IncomingMessage['headers']
  path: string
  /** When it came, as `performance.now()` has it. */
  at: number
  /** Resolves when its connection is closed, by either side. */
  closed: Promise<void>
}

export type Behaviour = (response: ServerResponse, request: UpstreamRequest) => Promise<void> | void

export interface Upstream {
  url: string
  requests: UpstreamRequest[]
  /** The `count`-th request for `model`, when it has come. */
  asked(model: string, count?: number): Promise<UpstreamRequest>
  /** How `model` behaves: one behaviour for each request in turn, the last for all that follow. */
  behaves(model: string, ...behaviours: Behaviour[]): void
  stop(): Promise<void>
}

/**
 * A model provider that speaks OpenAI's wire, faults included. A model that was told nothing answers
 * `You said: <the last message>`. One that lists no models leaves who asks for them waiting.
 */
export async function startUpstream({ listsModels = true } = {}): Promise<Upstream> {
  const behaviours = new Map<string, Behaviour[]>()
  const requests: UpstreamRequest[] = []
  const arrivals = new EventEmitter()

  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      if (listsModels) listModels(response, [...behaviours.keys()])
      return
    }
    const body = JSON.parse(await textOf(request)) as UpstreamRequest['body'] & { model?: string }
    const model = body.model ?? modelIn(request.url ?? '')
    const asked: UpstreamRequest = {
      model,
      body,
      headers: request.headers,
      path: request.url ?? '',
      at: performance.now(),
      closed: new Promise((resolve) => response.once('close', resolve)),
    }
    requests.push(asked)
    arrivals.emit('request')
    const queue = behaviours.get(model) ?? []
    const behaviour = (queue.length > 1 ? queue.shift() : queue[0]) ?? echoes()
    await behaviour(response, asked)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo

  async function nthRequest(model: string, count: number) {
    for (;;) {
      const found = requests.filter((request) => request.model === model)[count - 1]
      if (found) return found
      await once(arrivals, 'request')
    }
  }

  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    asked: (model, count = 1) => nthRequest(model, count),
    behaves: (model, ...list) => void behaviours.set(model, list),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listModels(response: ServerResponse, models: string[]) {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) }))
}

/** Google and Bedrock have the model in the path. */
function modelIn(path: string) {
  return decodeURIComponent(/\/models?\/([^/:]+)/.exec(path)?.[1] ?? '')
}

async function textOf(request: IncomingMessage) {
  let text = ''
  request.setEncoding('utf8')
  for await (const chunk of request) text += String(chunk)
  return text
}

export function begin(response: ServerResponse) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
}

export function sendChunk(response: ServerResponse, delta: object, more: object = {}) {
  const choice = { index: 0, delta, finish_reason: null, ...more }
  const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [choice] }
  response.write(`data: ${JSON.stringify(chunk)}\n\n`)
}

export function finish(response: ServerResponse, reason = 'stop', usage?: object) {
  sendChunk(response, {}, { finish_reason: reason })
  if (usage) response.write(`data: ${JSON.stringify({ choices: [], usage })}\n\n`)
  response.end('data: [DONE]\n\n')
}

/** Says `words`, one token each, `pauseMs` apart; `before` them come deltas as they stand. */
export function says(
  words: string[],
  { pauseMs = 0, reason = 'stop', usage = undefined as object | undefined, before = [] as object[] } = {},
): Behaviour {
  const deltas = [...before, ...words.map((content) => ({ content }))]
  return async (response) => {
    begin(response)
    for (const delta of deltas) {
      if (response.destroyed) return
      sendChunk(response, delta)
      if (pauseMs > 0) await pause(pauseMs)
    }
    finish(response, reason, usage)
  }
}

/** A call of a tool, its arguments in the pieces that they come in. */
export interface UpstreamCall {
  id: string
  name: string
  pieces: string[]
}

/** Calls tools as OpenAI does: their beginnings, then a piece of each in turn. Without an `end` it stays open. */
export function callsTools(
  calls: UpstreamCall[],
  { says: words = [], end = 'tool_calls' }: { says?: string[]; end?: string | null } = {},
): Behaviour {
  return (response) => {
    begin(response)
    for (const content of words) sendChunk(response, { content })
    for (const [index, { id, name }] of calls.entries()) {
      const call = { index, id, type: 'function', function: { name, arguments: '' } }
      sendChunk(response, { tool_calls: [call] })
    }
    for (let piece = 0; calls.some(({ pieces }) => piece < pieces.length); piece += 1) {
      for (const [index, { pieces }] of calls.entries()) {
        const more = pieces[piece]
        if (more) sendChunk(response, { tool_calls: [{ index, function: { arguments: more } }] })
      }
    }
    if (end !== null) finish(response, end)
  }
}

export function echoes(): Behaviour {
  return (response, { body }) => {
    const content = body.messages.at(-1)?.content
    begin(response)
    for (const word of ['You ', 'said: ', String(content)]) sendChunk(response, { content: word })
    finish(response, 'stop', { prompt_tokens: 7, completion_tokens: 3 })
  }
}

/** Refuses with a status and an error in OpenAI's shape. */
export function refuses(status: number, headers: Record<string, string> = {}, error: object = {}): Behaviour {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ error: { message: 'no', type: 'test', ...error } }))
  }
}

/** Says `words`, then breaks the connection without a word. */
export function breaksAfter(words: string[]): Behaviour {
  return async (response) => {
    begin(response)
    for (const word of words) sendChunk(response, { content: word })
    await pause(20)
    response.destroy()
  }
}

/** Says `words`, then ends the stream cleanly, without a finish reason and without [DONE]. */
export function endsEarlyAfter(words: string[]): Behaviour {
  return (response) => {
    begin(response)
    for (const word of words) sendChunk(response, { content: word })
    response.end()
  }
}

/** Says `words`, then nothing more, and leaves the connection open. */
export function fallsSilentAfter(words: string[]): Behaviour {
  return (response) => {
    begin(response)
    for (const word of words) sendChunk(response, { content: word })
  }
}

/**
 * Says much at once, then more and more, until it is told to stop. Thoughts and words in turn: pieces of one kind
 * would be one event.
 */
export function neverEnds(soonEvents: number): Behaviour {
  return async (response) => {
    begin(response)
    for (let said = 0; !response.destroyed; said += 2) {
      sendChunk(response, { reasoning_content: 'hm ' })
      sendChunk(response, { content: 'word ' })
      if (said > soonEvents || said % 200 === 0) await pause(1)
    }
  }
}

/** Takes the request and never answers. */
export function hangs(): Behaviour {
  return () => {}
}

/** Sends `text` as it stands. */
export function sends(text: string, contentType = 'text/event-stream'): Behaviour {
  return (response) => {
    response.writeHead(200, { 'content-type': contentType })
    response.end(text)
  }
}

/** Says `words`, then sends `text` as it stands, and ends as if all was well. */
export function sendsAfter(words: string[], text: string): Behaviour {
  return (response) => {
    begin(response)
    for (const word of words) sendChunk(response, { content: word })
    response.write(text)
    finish(response)
  }
}

/** Says `words`, then an error as data of the stream, as g4f and OpenRouter do. */
export function reportsErrorAfter(words: string[], error: unknown): Behaviour {
  return sendsAfter(words, `data: ${JSON.stringify({ error })}\n\n`)
}

/** Breaks the connection before any answer. */
export function resets(): Behaviour {
  return (response) => void response.destroy()
}

/** Says `first`, and the `rest` once it is told to go on. */
export function holdsBack(first: string[], rest: string[]): { behaviour: Behaviour; goOn: () => void } {
  const told = Promise.withResolvers<void>()
  return {
    behaviour: async (response) => {
      begin(response)
      for (const word of first) sendChunk(response, { content: word })
      await told.promise
      for (const word of rest) sendChunk(response, { content: word })
      finish(response)
    },
    goOn: told.resolve,
  }
}
