import { type ClientOptions, OpenAI } from 'openai'
import type { TestServer } from './server.ts'

/** The official client, as an application would make it; it tries nothing twice unless told to. */
export function openAiClient(parley: TestServer, options: ClientOptions = {}): OpenAI {
  return new OpenAI({ baseURL: `${parley.url}/v1`, apiKey: 'none', maxRetries: 0, ...options })
}
