import { EventStreamCodec } from '@smithy/eventstream-codec'
import { fromUtf8, toUtf8 } from '@smithy/util-utf8'
import type { Behaviour, UpstreamRequest } from './upstream.ts'

/** The wire of a vendor, as far as an answer of text needs it. */
export interface VendorWire {
  /** The provider's name. */
  name: string
  /** What configures it, with its address at `origin`. */
  env: (origin: string) => Record<string, string>
  /** Where its model `model` is asked. */
  path: (model: string) => string
  /** What shows that the key arrived. */
  credentials: (headers: UpstreamRequest['headers']) => unknown
  expectedCredentials: string
  contentType: string
  /** The pieces of an answer of 7 tokens to 11: its beginning, each word, its end, and a failure of its own. */
  begin: () => Uint8Array | string
  word: (text: string) => Uint8Array | string
  end: () => Uint8Array | string
  overload: () => Uint8Array | string
}

const key = 'key-of-the-vendor'
const bearer = (headers: UpstreamRequest['headers']) => headers.authorization

function sse(data: { type?: string }): string {
  return `${data.type === undefined ? '' : `event: ${data.type}\n`}data: ${JSON.stringify(data)}\n\n`
}

const openai: VendorWire = {
  name: 'openai',
  env: (origin) => ({
    OPENAI_BASE_URL: `${origin}/openai/v1`,
    OPENAI_API_KEY: key,
    OPENAI_WIRE: 'responses',
  }),
  path: () => '/openai/v1/responses',
  credentials: bearer,
  expectedCredentials: `Bearer ${key}`,
  contentType: 'text/event-stream',
  begin: () =>
    sse({ type: 'response.created', response: { id: 'resp_1', created_at: 1, model: 'm' } } as object) +
    sse({
      type: 'response.output_item.added',
      output_index: 0,
      item: { type: 'message', id: 'msg_1' },
    } as object),
  word: (delta) => sse({ type: 'response.output_text.delta', item_id: 'msg_1', delta } as object),
  end: () =>
    sse({
      type: 'response.output_item.done',
      output_index: 0,
      item: { type: 'message', id: 'msg_1' },
    } as object) +
    sse({
      type: 'response.completed',
      response: { usage: { input_tokens: 11, output_tokens: 7 } },
    } as object),
  overload: () => sse({ type: 'error', sequence_number: 1, code: 'server_error', message: 'busy' } as object),
}

const anthropic: VendorWire = {
  name: 'anthropic',
  env: (origin) => ({ ANTHROPIC_BASE_URL: `${origin}/anthropic/v1`, ANTHROPIC_API_KEY: key }),
  path: () => '/anthropic/v1/messages',
  credentials: (headers) => headers['x-api-key'],
  expectedCredentials: key,
  contentType: 'text/event-stream',
  begin: () =>
    sse({
      type: 'message_start',
      message: {
        type: 'message',
        id: 'msg_1',
        model: 'm',
        role: 'assistant',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 11, output_tokens: 1 },
      },
    } as object) +
    sse({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as object),
  word: (text) =>
    sse({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } } as object),
  end: () =>
    sse({ type: 'content_block_stop', index: 0 } as object) +
    sse({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 7 },
    } as object) +
    sse({ type: 'message_stop' }),
  overload: () => sse({ type: 'error', error: { type: 'overloaded_error', message: 'busy' } } as object),
}

const google: VendorWire = {
  name: 'google',
  env: (origin) => ({ GOOGLE_BASE_URL: `${origin}/google/v1beta`, GOOGLE_GENERATIVE_AI_API_KEY: key }),
  path: (model) => `/google/v1beta/models/${model}:streamGenerateContent?alt=sse`,
  credentials: (headers) => headers['x-goog-api-key'],
  expectedCredentials: key,
  contentType: 'text/event-stream',
  begin: () => '',
  word: (text) => sse({ candidates: [{ content: { role: 'model', parts: [{ text }] } }] } as object),
  end: () =>
    sse({
      candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 },
    } as object),
  overload: () => sse({ error: { code: 503, message: 'busy', status: 'UNAVAILABLE' } } as object),
}

function mistralChunk(delta: object, more: object = {}, rest: object = {}): string {
  const choices = [{ index: 0, delta: { role: 'assistant', ...delta }, ...more }]
  return sse({ id: '1', object: 'chat.completion.chunk', created: 1, model: 'm', choices, ...rest } as object)
}

const mistral: VendorWire = {
  name: 'mistral',
  env: (origin) => ({ MISTRAL_BASE_URL: `${origin}/mistral/v1`, MISTRAL_API_KEY: key }),
  path: () => '/mistral/v1/chat/completions',
  credentials: bearer,
  expectedCredentials: `Bearer ${key}`,
  contentType: 'text/event-stream',
  begin: () => mistralChunk({ content: '' }),
  word: (content) => mistralChunk({ content }),
  end: () =>
    mistralChunk(
      { content: '' },
      { finish_reason: 'stop' },
      { usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } },
    ) + 'data: [DONE]\n\n',
  overload: () => sse({ object: 'error', message: 'busy', type: 'service_tier_capacity_exceeded' } as object),
}

const codec = new EventStreamCodec(toUtf8, fromUtf8)

/** A message of application/vnd.amazon.eventstream. */
function frame(type: string, body: object, kind: 'event' | 'exception' = 'event'): Uint8Array {
  const text = (value: string) => ({ type: 'string' as const, value })
  return codec.encode({
    headers: {
      [`:${kind}-type`]: text(type),
      ':content-type': text('application/json'),
      ':message-type': text(kind),
    },
    body: fromUtf8(JSON.stringify(body)),
  })
}

const bedrock: VendorWire = {
  name: 'bedrock',
  env: (origin) => ({
    BEDROCK_BASE_URL: `${origin}/bedrock`,
    BEDROCK_REGION: 'eu-central-1',
    AWS_BEARER_TOKEN_BEDROCK: key,
  }),
  path: (model) => `/bedrock/model/${model}/converse-stream`,
  credentials: bearer,
  expectedCredentials: `Bearer ${key}`,
  contentType: 'application/vnd.amazon.eventstream',
  begin: () => frame('messageStart', { role: 'assistant' }),
  word: (text) => frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text } }),
  end: () =>
    Buffer.concat([
      frame('contentBlockStop', { contentBlockIndex: 0 }),
      frame('messageStop', { stopReason: 'end_turn' }),
      frame('metadata', { usage: { inputTokens: 11, outputTokens: 7, totalTokens: 18 } }),
    ]),
  overload: () => frame('throttlingException', { message: 'busy' }, 'exception'),
}

export const vendorWires: VendorWire[] = [openai, anthropic, google, mistral, bedrock]

/** Answers with `words` in the vendor's wire; `ending` is how it goes on then. */
export function speaks(
  wire: VendorWire,
  words: string[],
  ending: 'ends' | 'ends early' | 'falls silent' | 'is overloaded' = 'ends',
): Behaviour {
  return (response) => {
    response.writeHead(200, { 'content-type': wire.contentType })
    response.write(Buffer.concat([wire.begin(), ...words.map(wire.word)].map((part) => Buffer.from(part))))
    if (ending === 'falls silent') return
    if (ending === 'ends') response.write(wire.end())
    if (ending === 'is overloaded') response.write(wire.overload())
    response.end()
  }
}
