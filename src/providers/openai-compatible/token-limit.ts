/** What an endpoint calls the highest number of tokens that an answer may have. */
export type TokenLimit = 'max_tokens' | 'max_completion_tokens'

/**
 * The name at `baseUrl`, where nobody says which. OpenAI's models since o1 refuse the old one, there and at Azure,
 * where the name of a deployment does not tell its model; those before take both. Elsewhere many know the old one alone.
 */
export function usualTokenLimit(baseUrl: string): TokenLimit {
  const { hostname } = new URL(baseUrl)
  return openAiHost.test(hostname) ? 'max_completion_tokens' : 'max_tokens'
}

const openAiHost = /^([\w-]+\.)?api\.openai\.com$|\.(openai|cognitiveservices)\.azure\.(com|us)$/
