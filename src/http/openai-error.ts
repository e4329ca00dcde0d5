import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { ErrorCode, FieldError, ParleyError, ReplyErrorCode } from '../errors.ts'
import { errorHeaders, statusOf } from './problem.ts'

const types = [
  'invalid_request_error',
  'authentication_error',
  'permission_error',
  'not_found_error',
  'rate_limit_error',
  'server_error',
] as const
type ErrorType = (typeof types)[number]

/** What can be wrong on this wire: with a request, or with an answer, also one that its client ended or lost. */
type WireCode = ErrorCode | ReplyErrorCode | 'cancelled' | 'restarted'

/** What is not told as the native API tells it: another status, OpenAI's own code. */
const told: Partial<Record<WireCode, { status?: number; type?: ErrorType; code?: string | null }>> = {
  invalid_request: { status: 400, code: 'invalid_value' },
  unauthorized: { type: 'authentication_error', code: 'invalid_api_key' },
  forbidden: { type: 'permission_error' },
  not_found: { code: 'not_found' },
  unknown_model: { status: 404, code: 'model_not_found' },
  interaction_busy: { code: 'conversation_locked' },
  context_length_exceeded: { status: 400 },
  provider_rejected: { status: 400 },
  provider_quota_exceeded: { status: 429, type: 'rate_limit_error', code: 'insufficient_quota' },
  model_not_found: { status: 404 },
  content_filtered: { status: 400, code: 'content_filter' },
  provider_rate_limited: { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  provider_unavailable: { status: 502 },
  provider_unauthorized: { status: 502 },
  provider_interrupted: { status: 502 },
  provider_malformed: { status: 502 },
  provider_empty: { status: 502 },
  provider_timeout: { status: 504 },
  reply_timeout: { status: 504 },
  unsupported_by_model: { status: 400 },
  invalid_output: { status: 502 },
  cancelled: { status: 409 },
  restarted: { status: 503 },
  reply_too_long: { status: 500 },
  max_output_tokens: { status: 500 },
  crashed: { status: 500 },
}

export const openAiErrorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.enum(types),
      param: z.string().nullable().meta({ description: 'The field that is wrong.' }),
      code: z.string().nullable(),
    }),
  })
  .meta({ id: 'OpenAIError', description: "An error as OpenAI's API tells it." })

export type OpenAiErrorBody = z.infer<typeof openAiErrorSchema>

/** The status of an error on OpenAI's wire: of a refusal, or of a reply that came to nothing. */
export function openAiStatusOf(code: WireCode): number {
  return told[code]?.status ?? statusOf(code as ErrorCode)
}

/** An error by its code, in OpenAI's shape. */
export function openAiErrorOf(
  error: { code: WireCode; message: string },
  param: string | null = null,
): OpenAiErrorBody {
  const { code, message } = error
  const type = told[code]?.type ?? (openAiStatusOf(code) >= 500 ? 'server_error' : 'invalid_request_error')
  return { error: { message, type, param, code: told[code]?.code ?? code } }
}

/** A refusal in OpenAI's shape: `{"error": {message, type, param, code}}`. */
export function openAiRefusalOf(error: ParleyError): OpenAiErrorBody {
  const [first] = error.fields
  const body = openAiErrorOf(error, first === undefined ? null : paramOf(first))
  if (error.code === 'invalid_request' && first) body.error.code = codeOf(first)
  return body
}

export function sendOpenAiError(reply: FastifyReply, error: ParleyError): FastifyReply {
  return reply
    .status(openAiStatusOf(error.code))
    .headers(errorHeaders(error))
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(openAiRefusalOf(error))
}

/** Answers with why a reply came to nothing. It was tried as often as makes sense: no client shall try again. */
export function sendReplyError(
  reply: FastifyReply,
  error: { code: WireCode; message: string },
): FastifyReply {
  return sendFailure(reply.header('x-should-retry', 'false'), error)
}

/** Answers with what a model failed at. */
export function sendFailure(
  reply: FastifyReply,
  error: { code: WireCode; message: string },
  retryAfterMs?: number,
): FastifyReply {
  if (retryAfterMs !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterMs / 1_000)))
  return reply
    .status(openAiStatusOf(error.code))
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(openAiErrorOf(error))
}

/** `messages.0.content` is `messages[0].content` there. */
function paramOf({ field }: FieldError): string | null {
  return field === '' ? null : field.replaceAll(/\.(\d+)(?=\.|$)/g, '[$1]')
}

/** OpenAI's codes say which kind of wrong it is. */
function codeOf({ message }: FieldError): string {
  if (message === 'is required') return 'missing_required_parameter'
  if (message === 'is not known') return 'unknown_parameter'
  if (message.startsWith('is not supported')) return 'unsupported_parameter'
  if (message.startsWith('Invalid input: expected')) return 'invalid_type'
  return 'invalid_value'
}
