import { APICallError } from '@ai-sdk/provider'
import { z } from 'zod'
import { ProviderFailure } from './failure.ts'
import { type ProviderHttp, readText } from './http.ts'
import type { ListedModel } from './provider.ts'

/** Asks an endpoint for its models. Rejects with a ProviderFailure or an APICallError when it has no answer. */
export async function fetchModels(options: {
  url: string
  headers: Record<string, string>
  http: ProviderHttp
  signal: AbortSignal
}): Promise<ListedModel[]> {
  const { url, headers, http, signal } = options
  const response = await http.send(new URL(url), { method: 'GET', headers, signal })
  const body = await readText(response)
  if (response.statusCode !== 200) {
    throw new APICallError({
      message: 'the list of models was refused',
      url,
      requestBodyValues: undefined,
      statusCode: response.statusCode ?? 0,
      responseBody: body,
    })
  }
  return readModels(body)
}

/** `GET /models`; each server adds the context window under a name of its own. */
const modelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string().min(1),
      context_length: z.number().positive().nullish(), // OpenRouter
      max_model_len: z.number().positive().nullish(), // vLLM
      max_context_length: z.number().positive().nullish(), // LM Studio
      meta: z.object({ n_ctx: z.number().positive().nullish() }).nullish(), // llama.cpp
    }),
  ),
})

function readModels(body: string): ListedModel[] {
  try {
    return modelsSchema.parse(JSON.parse(body)).data.map((model) => {
      const window =
        model.context_length ?? model.max_model_len ?? model.max_context_length ?? model.meta?.n_ctx
      return { id: model.id, ...(window ? { contextWindowTokens: window } : {}) }
    })
  } catch (error) {
    throw new ProviderFailure('provider_malformed', 'the list of models has no known shape', { cause: error })
  }
}
