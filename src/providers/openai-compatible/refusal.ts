import type { IncomingMessage } from 'node:http'
import { APICallError } from '@ai-sdk/provider'
import { readText } from '../http.ts'

/** A response that is no answer, with the text that says why for the operator. */
export async function refusal(url: string, response: IncomingMessage): Promise<APICallError> {
  const body = await readText(response).catch(() => '')
  return new APICallError({
    message: response.statusMessage ?? '',
    url,
    requestBodyValues: undefined,
    statusCode: response.statusCode ?? 0,
    responseHeaders: response.headers as Record<string, string>,
    responseBody: body,
  })
}
