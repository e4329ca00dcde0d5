import {
  APICallError,
  InvalidPromptError,
  InvalidResponseDataError,
  JSONParseError,
  TypeValidationError,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider'
import type { ReplyErrorCode } from '../errors.ts'
import { retryAfterMs } from './retry-after.ts'

/** What a provider did wrong, in our words: decided here, so that no caller reads a status code. */
export class ProviderFailure extends Error {
  readonly code: ReplyErrorCode
  readonly isRetryable: boolean
  /** What the provider asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined

  /** What the provider itself said: it can repeat a prompt or a key, and is logged for debugging only. */
  readonly words: string | undefined

  /** `detail` is for the operator's log, never for a client. */
  constructor(
    code: ReplyErrorCode,
    detail: string,
    options: {
      isRetryable?: boolean
      retryAfterMs?: number | undefined
      words?: string
      cause?: unknown
    } = {},
  ) {
    super(detail, { cause: options.cause })
    this.name = 'ProviderFailure'
    this.code = code
    this.isRetryable = options.isRetryable ?? retryable.has(code)
    this.retryAfterMs = options.retryAfterMs
    this.words = options.words?.slice(0, maxWordsChars)
  }
}

const maxWordsChars = 2_000

const retryable = new Set<ReplyErrorCode>([
  'provider_rate_limited',
  'provider_unavailable',
  'provider_timeout',
  'provider_interrupted',
  'provider_malformed',
  'provider_empty',
])

/** Reads whatever a model threw, or sent as an error part. */
export function explainFailure(error: unknown): ProviderFailure {
  if (error instanceof ProviderFailure) return error
  if (APICallError.isInstance(error)) return explainApiCall(error)
  // Its message holds what was said.
  if (isMalformed(error)) return new ProviderFailure('provider_malformed', error.name, { cause: error })
  if (UnsupportedFunctionalityError.isInstance(error)) {
    return new ProviderFailure('unsupported_by_model', error.functionality, { cause: error })
  }
  if (InvalidPromptError.isInstance(error)) {
    return new ProviderFailure('provider_rejected', error.name, { words: error.message, cause: error })
  }
  const reported = reportedError(error)
  if (reported) return reported
  const words = error instanceof Error ? describeChain(error) : String(error)
  return new ProviderFailure('provider_unavailable', nameOf(error), { words, cause: error })
}

function isMalformed(error: unknown): error is Error {
  return (
    JSONParseError.isInstance(error) ||
    TypeValidationError.isInstance(error) ||
    InvalidResponseDataError.isInstance(error)
  )
}

function explainApiCall(error: APICallError): ProviderFailure {
  const { statusCode, responseHeaders = {}, responseBody = '' } = error
  if (statusCode === undefined || (statusCode >= 200 && statusCode < 300)) {
    const code = isMalformed(error.cause) ? 'provider_malformed' : 'provider_unavailable'
    return new ProviderFailure(code, nameOf(error.cause ?? error), {
      words: describeChain(error),
      cause: error,
    })
  }
  return new ProviderFailure(codeOfStatus(statusCode, responseBody), `status ${statusCode}`, {
    words: `${error.message} ${responseBody}`.trim(),
    retryAfterMs: retryAfterMs(responseHeaders),
    cause: error,
  })
}

/** Request timeout, conflict, and what Bedrock says where the model itself failed. */
const isPassing = new Set([408, 409, 424])

function codeOfStatus(status: number, body: string): ReplyErrorCode {
  // To wait brings nothing where somebody has to pay first.
  if (status === 402 || (status === 429 && isUnpaid(body))) return 'provider_quota_exceeded'
  if (status === 429) return 'provider_rate_limited'
  if (status >= 500 || isPassing.has(status)) return 'provider_unavailable'
  if (status === 401 || status === 403) return 'provider_unauthorized'
  return codeOfText(body) ?? (status === 404 ? 'model_not_found' : 'provider_rejected')
}

function isUnpaid(text: string): boolean {
  return text.includes('insufficient_quota')
}

function codeOfText(text: string): ReplyErrorCode | undefined {
  if (isUnpaid(text)) return 'provider_quota_exceeded'
  if (/context.{0,20}(length|window|size)|too many tokens|prompt is too long/i.test(text)) {
    return 'context_length_exceeded'
  }
  if (/model_not_found|model.{0,80}(not found|does not exist)/i.test(text)) return 'model_not_found'
  return undefined
}

/**
 * An error object that came in the stream: OpenAI's `{message, type, code}`, g4f's `{message}`, or what the
 * vendors' packages make of theirs, with a `statusCode`.
 */
function reportedError(error: unknown): ProviderFailure | undefined {
  if (typeof error !== 'object' || error === null || error instanceof Error) return undefined
  const { code, type, status, statusCode } = error as Record<string, unknown>
  const words = JSON.stringify(error)
  const said = Number(statusCode ?? status ?? code)
  if (said >= 400 && said < 600) {
    return new ProviderFailure(codeOfStatus(said, words), `status ${said} within the stream`, { words })
  }
  const ours = /rate_limit/.test(`${String(type)} ${String(code)}`)
    ? 'provider_rate_limited'
    : (codeOfText(words) ?? 'provider_unavailable')
  return new ProviderFailure(ours, 'an error within the stream', { words })
}

/** The kind of an error and its code, such as ECONNREFUSED: never its message. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'an error of no known kind'
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? `${error.name} ${code}` : error.name
}

function describeChain(error: Error): string {
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${error.message}${cause}`
}
