import type { IncomingMessage } from 'node:http'
import type { LanguageModelV4, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { createParser } from 'eventsource-parser'
import { ProviderFailure } from '../failure.ts'
import { generateFromStream } from '../generate.ts'
import { type ProviderHttp, readText } from '../http.ts'
import { type Chunk, createChunkReader } from './chunks.ts'
import { refusal } from './refusal.ts'
import { chatCompletionBody, type Continues } from './request.ts'

const maxEventChars = 8 * 1024 * 1024
/** Parts that may wait for their reader before the provider's connection is paused. */
const maxWaitingParts = 1_000

export interface ChatModelOptions {
  provider: string
  /** The model's name on the wire. */
  modelId: string
  url: URL
  headers: Record<string, string>
  http: ProviderHttp
  continues?: Continues | undefined
}

/** A model behind `POST …/chat/completions`. */
export function createChatModel({
  provider,
  modelId,
  url,
  headers,
  http,
  continues,
}: ChatModelOptions): LanguageModelV4 {
  const model: LanguageModelV4 = {
    specificationVersion: 'v4',
    provider,
    modelId,
    supportedUrls: { 'image/*': [/^https?:/] },
    doGenerate: (options) => generateFromStream(model, options),
    async doStream(options) {
      const response = await http.send(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
        body: JSON.stringify(chatCompletionBody(modelId, options, continues)),
        signal: options.abortSignal,
      })
      if (response.statusCode !== 200) throw await refusal(url.href, response)
      return { stream: partsOf(response, options.abortSignal) }
    },
  }
  return model
}

function partsOf(response: IncomingMessage, signal: AbortSignal | undefined) {
  let isCancelled = false

  async function passOn(controller: ReadableStreamDefaultController<LanguageModelV4StreamPart>) {
    const type = response.headers['content-type'] ?? ''
    const read = type.includes('application/json') ? readWhole : readEvents
    controller.enqueue({ type: 'stream-start', warnings: [] })
    try {
      await read(response, type, (part) => {
        controller.enqueue(part)
        if ((controller.desiredSize ?? 0) < -maxWaitingParts) response.pause()
      })
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
async function readWhole(
  response: IncomingMessage,
  _type: string,
  emit: (part: LanguageModelV4StreamPart) => void,
) {
  const reader = createChunkReader(emit)
  reader.take(parseChunk(await readText(response)))
  reader.end({ sawDone: false })
}

function readEvents(
  response: IncomingMessage,
  type: string,
  emit: (part: LanguageModelV4StreamPart) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!type.includes('text/event-stream')) {
      reject(
        new ProviderFailure('provider_malformed', `an answer of type "${type}" instead of an event stream`),
      )
      return
    }
    const reader = createChunkReader(emit)
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
