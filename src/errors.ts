/**
 * What can be wrong with a request, by code. `http/problem.ts` gives each its HTTP status; the doors give it
 * their shape. Nothing else in the house knows statuses.
 */
export type ErrorCode =
  | 'invalid_request'
  | 'malformed_body'
  | 'malformed_request'
  | 'request_timeout'
  | 'unauthorized'
  | 'forbidden'
  | 'host_not_allowed'
  | 'not_found'
  | 'method_not_allowed'
  | 'conflict'
  | 'idempotency_key_reused'
  | 'interaction_busy'
  | 'previous_response_not_found'
  | 'reply_in_progress'
  | 'events_expired'
  | 'removed'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'upgrade_required'
  | 'unknown_model'
  | 'headers_too_large'
  | 'server_busy'
  | 'server_stopping'
  | 'storage_full'
  | 'storage_unavailable'
  | 'internal_error'

/** One thing that is wrong with one field of the request. */
export interface FieldError {
  /** Where it stands: `body`, `query`, `path` or `header`. */
  in: 'body' | 'query' | 'path' | 'header'
  /** The field's name, dotted and indexed from there (`content.0.text`); empty for the whole. */
  field: string
  message: string
}

/** An expected refusal: its message is for the client to read. */
export class ParleyError extends Error {
  readonly code: ErrorCode
  readonly fields: FieldError[]
  /** When trying again makes sense, in milliseconds from now. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { fields?: FieldError[]; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'ParleyError'
    this.code = code
    this.fields = options.fields ?? []
    this.retryAfterMs = options.retryAfterMs
  }
}

/** What is not there, or not yours: the two are the same. */
export function notFound(what: string): ParleyError {
  return new ParleyError('not_found', `${what} not found`)
}

/** A message that is there, but is no answer of a model. */
export function noReply(): ParleyError {
  return new ParleyError(
    'not_found',
    'No model made this message: only replies have events, and can be cancelled, followed or requeued.',
  )
}

/** Whether an error says that something is not there, or not the owner's. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ParleyError && error.code === 'not_found'
}

/** What a request made was removed since, or while it waited for that. */
export function removed(): ParleyError {
  return new ParleyError('removed', 'What this request made was removed since.')
}

export function isRemoved(error: unknown): boolean {
  return error instanceof ParleyError && error.code === 'removed'
}

/** What was found, of what a request has made: it is not there only where it was removed. */
export async function unlessRemoved<Found>(finding: Promise<Found>): Promise<Found> {
  try {
    return await finding
  } catch (error) {
    throw isNotFound(error) ? removed() : error
  }
}

/** The database cannot be reached now: it was not the fault of the work, which can be done again later. */
export function isDatabaseAway(error: unknown): error is ParleyError {
  return error instanceof ParleyError && error.code === 'storage_unavailable'
}

/** A server that can't start as it is configured: the message says what would be right. */
export class StartupError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'StartupError'
  }
}

/** Why a reply has no (whole) answer: what its message's `error` says to the client, by code. */
export const replyErrors = {
  provider_rate_limited: 'The model provider refused for its rate limit, more often than is tried.',
  provider_unavailable: 'The model provider could not be reached or reported a failure of its own.',
  provider_timeout: 'The model provider did not send a token in time.',
  provider_interrupted: 'The model provider broke off before the end of its answer.',
  provider_malformed: 'The model provider sent something that is no answer.',
  provider_empty: 'The model provider sent an answer without content.',
  provider_unauthorized: "The model provider refused this server's credentials.",
  provider_quota_exceeded: 'Nothing is left on the account that this server has with the model provider.',
  provider_rejected: 'The model provider refused the request.',
  model_not_found: 'The model is not known to the provider, or its provider is not configured.',
  context_length_exceeded: "The conversation does not fit the model's context window.",
  content_filtered: 'The model provider held the answer back with a content filter.',
  unsupported_by_model: 'This model cannot do what was asked: take such content, call tools, or write so.',
  invalid_output: 'The answer is not in the format that was asked for.',
  max_output_tokens: 'The answer reached the highest number of tokens it may have.',
  reply_too_long: 'The answer became longer than this server keeps.',
  reply_timeout: 'The answer took longer than this server allows.',
  crashed: 'The server was interrupted while it made this answer, more often than is tried.',
  internal_error: 'Something went wrong in this server while it made this answer.',
} as const

export type ReplyErrorCode = keyof typeof replyErrors

/** This process is about to end: what runs is left for the next one. */
export class StoppingError extends Error {
  constructor() {
    super('the server is stopping')
    this.name = 'StoppingError'
  }
}
