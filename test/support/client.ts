import { createParser } from 'eventsource-parser'

export interface Answer<Body> {
  status: number
  headers: Headers
  body: Body
}

export interface StreamEvent {
  id: number | undefined
  type: string
  // Events carry different things; tests know which.
  data: Record<string, unknown>
}

// What the API says is looked at by tests, not typed by them.
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any

export interface Client {
  readonly url: string
  request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<Json>>
  get(path: string): Promise<Answer<Json>>
  post(path: string, body?: unknown): Promise<Answer<Json>>
  /** Opens an event stream. */
  open(path: string, init?: RequestInit): Promise<EventReader>
  /** The events of a stream, until it is closed. */
  events(path: string, init?: RequestInit): Promise<StreamEvent[]>
  /** Begins an interaction and gives its id. */
  begin(settings?: object): Promise<string>
  /** Posts a message and waits for the end of its reply. */
  say(interactionId: string, content: unknown, more?: object): Promise<{ message: Json; reply: Json }>
}

export interface EventReader {
  status: number
  headers: Headers
  /** Each event as it comes. */
  events: AsyncGenerator<StreamEvent>
  close(): void
}

/** A client of a Parley server, as a user would write it. */
export function createClient(url: () => string, apiKey?: string): Client {
  const authorization: Record<string, string> = apiKey ? { authorization: `Bearer ${apiKey}` } : {}

  async function request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(url() + path, {
      method,
      redirect: 'manual',
      headers: {
        ...authorization,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    }
  }

  async function open(path: string, init: RequestInit = {}): Promise<EventReader> {
    const abort = new AbortController()
    const response = await fetch(url() + path, {
      ...init,
      headers: { ...authorization, ...(init.headers as Record<string, string>) },
      signal: abort.signal,
    })
    return {
      status: response.status,
      headers: response.headers,
      events: readEvents(response),
      close: () => abort.abort(),
    }
  }

  const post = (path: string, body?: unknown) => request('POST', path, body)

  return {
    get url() {
      return url()
    },
    request,
    get: (path) => request('GET', path),
    post,
    open,
    async events(path, init) {
      const { events } = await open(path, init)
      return Array.fromAsync(events)
    },
    async begin(settings = {}) {
      const { status, body } = await post('/v1/interactions', settings)
      if (status !== 201) throw new Error(`no interaction: ${JSON.stringify(body)}`)
      return body.id
    },
    async say(interactionId, content, more = {}) {
      const posted = await post(`/v1/interactions/${interactionId}/messages`, {
        content,
        wait_ms: 15_000,
        ...more,
      })
      if (posted.status !== 201) throw new Error(`not posted: ${JSON.stringify(posted.body)}`)
      return posted.body
    },
  }
}

/** The events of the log of a reply, as below. */
export async function* readEvents(response: Response): AsyncGenerator<StreamEvent> {
  for await (const { id, ...event } of readFrames(response)) {
    yield { id: id === undefined ? undefined : Number(id), ...event }
  }
}

/** An event with its id as it stands. */
export type Frame = Omit<StreamEvent, 'id'> & { id: string | undefined }

/** The events of a response; ends when it is closed, however that happens. */
export async function* readFrames(response: Response): AsyncGenerator<Frame> {
  const waiting: Frame[] = []
  const parser = createParser({
    onEvent: ({ id, event = 'message', data }) => {
      waiting.push({
        id,
        type: event,
        data: JSON.parse(data) as Record<string, unknown>,
      })
    },
  })
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body ?? []) {
      parser.feed(decoder.decode(chunk, { stream: true }))
      yield* waiting.splice(0)
    }
  } catch {
    // The connection broke: what came before it has been handed over.
  }
}

/** The text that a reader of `events` has on its screen. */
export function textOf(events: StreamEvent[]): string {
  let text = ''
  for (const { type, data } of events) {
    if (type === 'reply.restarted' || type === 'reply.requeued') text = ''
    if (type === 'text.delta') text += String(data['text'])
  }
  return text
}
