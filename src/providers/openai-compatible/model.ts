import type { IncomingMessage } from 'node:http'
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider'
import { createParser } from 'eventsource-parser'
import { ProviderFailure } from '../failure.ts'
import { generateFromStream } from '../generate.ts'
import { type ProviderHttp, readText } from '../http.ts'
import { type Chunk, type ChunkReader, createChunkReader } from './chunks.ts'
import { refusal } from './refusal.ts'
import { chatCompletionBody, type Dialect } from './request.ts'
import { isAboutThoughts, type Thoughts } from './thoughts.ts'

const maxEventChars = 8 * 1024 * 1024
/** Parts that may wait for their reader before the provider's connection is paused. */
const maxWaitingParts = 1_000

/** Where a model is, and how it is reached. */
export interface Address {
  provider: string
  /** The model's name on the wire. */
  modelId: string
  url: URL
  headers: Record<string, string>
  http: ProviderHttp
}

export interface ChatModelOptions extends Address {
  dialect: Dialect
  thoughts: Thoughts
}

/** A model behind `POST …/chat/completions`. */
export function createChatModel(options: ChatModelOptions): LanguageModelV4 {
  const { provider, modelId, url, headers, http, dialect, thoughts } = options

  function send(body: string, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    return http.send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body,
      signal,
    })
  }

  /** Its answer, or why there is none. Where that is for the thoughts in it, it is asked once more the other way. */
  async function ask(call: LanguageModelV4CallOptions): Promise<IncomingMessage> {
    const bodyOf = (tellsThoughts: boolean) =>
      JSON.stringify(chatCompletionBody(modelId, call, { ...dialect, tellsThoughts }))
    const tells = thoughts.areWanted(modelId, call.prompt)
    const body = bodyOf(tells)
    const response = await send(body, call.abortSignal)
    if (response.statusCode === 200) return response
    const refused = await refusal(url.href, response)
    const otherBody = isAboutThoughts(refused) ? bodyOf(!tells) : body
    if (otherBody === body) throw refused
    const again = await send(otherBody, call.abortSignal)
    if (again.statusCode !== 200) throw await refusal(url.href, again)
    thoughts.learn(modelId, !tells)
    return again
  }

  const model: LanguageModelV4 = {
    specificationVersion: 'v4',
    provider,
    modelId,
    supportedUrls: { 'image/*': [/^https?:/] },
    doGenerate: (call) => generateFromStream(model, call),
    async doStream(call) {
      const hasTools = (call.tools ?? []).length > 0
      const onThought = () => thoughts.heard(modelId, hasTools)
      return { stream: partsOf(await ask(call), call.abortSignal, onThought) }
    },
  }
  return model
}

function partsOf(
  response: IncomingMessage,
  signal: AbortSignal | undefined,
  onThought: () => SharedV4ProviderMetadata | undefined,
) {
  let isCancelled = false

  async function passOn(controller: ReadableStreamDefaultController<LanguageModelV4StreamPart>) {
    const type = response.headers['content-type'] ?? ''
    const read = type.includes('application/json') ? readWhole : readEvents
    controller.enqueue({ type: 'stream-start', warnings: [] })
    const reader = createChunkReader((part) => {
      controller.enqueue(part)
      if ((controller.desiredSize ?? 0) < -maxWaitingParts) response.pause()
    }, onThought)
    try {
      await read(response, type, reader)
    } catch (error) {
      response.destroy()
      if (isCancelled) return
      // As a part, behind the others: an errored stream would drop what was said and is not read yet.
      controller.enqueue({ type: 'error', error: signal?.aborted ? signal.reason : error })
    }
    if (!isCancelled) controller.close()
  }

  return new ReadableStream<LanguageModelV4StreamPart>({
    start(controller) {
      void passOn(controller)
    },
    pull() {
      if (response.isPaused()) response.resume()
    },
    cancel() {
      isCancelled = true
      response.destroy()
    },
  })
}

/** An endpoint that ignored `stream: true` and answered in one piece. */
async function readWhole(response: IncomingMessage, _type: string, reader: ChunkReader) {
  reader.take(parseChunk(await readText(response)))
  reader.end({ sawDone: false })
}

function readEvents(response: IncomingMessage, type: string, reader: ChunkReader): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!type.includes('text/event-stream')) {
      reject(
        new ProviderFailure('provider_malformed', `an answer of type "${type}" instead of an event stream`),
      )
      return
    }
    let sawDone = false
    const parser = createParser({
      maxBufferSize: maxEventChars,
      onError(error) {
        if (error.type === 'max-buffer-size-exceeded') throw error
      },
      onEvent({ data }) {
        // What stands behind it is no part of the answer, also where it comes together with it.
        if (sawDone) return
        if (data === '[DONE]') sawDone = true
        else reader.take(parseChunk(data))
      },
    })
    response.setEncoding('utf8')
    response.on('data', (text: string) => {
      try {
        if (!sawDone) parser.feed(text)
      } catch (error) {
        reject(error)
      }
    })
    response.on('end', () => {
      try {
        reader.end({ sawDone })
        resolve()
      } catch (error) {
        reject(error)
      }
    })
    response.on('error', (error) => {
      reject(new ProviderFailure('provider_interrupted', error.message, { cause: error }))
    })
  })
}

function parseChunk(data: string): Chunk {
  try {
    const chunk: unknown = JSON.parse(data)
    if (typeof chunk === 'object' && chunk !== null) return chunk
  } catch {
    // Falls through: what it was is said below.
  }
  throw new ProviderFailure(
    'provider_malformed',
    `an event of ${data.length} characters that is no JSON object`,
  )
}
