import type { ReplyErrorCode } from '../../errors.ts'
import type { Making, MessageStatus } from '../../messages/message.ts'
import type { ResponseObject } from './response.ts'

/** How a reply has ended, as OpenAI tells it of a response. */

/** What ends an answer before its end as it was to be expected; any other reason is a failure there. */
const limits: Partial<Record<ReplyErrorCode, string>> = {
  max_output_tokens: 'max_output_tokens',
  reply_too_long: 'max_output_tokens',
  content_filtered: 'content_filter',
}

/** OpenAI's name of what went wrong, where it has one; the sentence is ours. */
const codes: Partial<Record<ReplyErrorCode, { code: string; type: string }>> = {
  provider_rate_limited: { code: 'rate_limit_exceeded', type: 'rate_limit_error' },
  provider_quota_exceeded: { code: 'insufficient_quota', type: 'insufficient_quota' },
  context_length_exceeded: { code: 'context_length_exceeded', type: 'invalid_request_error' },
  model_not_found: { code: 'model_not_found', type: 'invalid_request_error' },
  // The request is to blame.
  provider_rejected: { code: 'invalid_prompt', type: 'invalid_request_error' },
  unsupported_by_model: { code: 'invalid_prompt', type: 'invalid_request_error' },
  content_filtered: { code: 'invalid_prompt', type: 'invalid_request_error' },
}

/** What broke off in the middle has failed: what was said by then is told all the same. */
export function statusOf({ status, error }: Pick<Making, 'status' | 'error'>): MessageStatus {
  return status === 'incomplete' && error && !limits[error.code] ? 'failed' : status
}

export function errorOf(making: Pick<Making, 'status' | 'error'>): ResponseObject['error'] {
  const { error } = making
  if (statusOf(making) !== 'failed' || !error) return null
  const { code, type } = codes[error.code] ?? { code: 'server_error', type: 'server_error' }
  return { code, message: error.message, type, param: null }
}

export function incompleteDetailsOf(making: Pick<Making, 'status' | 'error'>) {
  if (statusOf(making) !== 'incomplete') return null
  return { reason: (making.error && limits[making.error.code]) ?? 'max_output_tokens' }
}
