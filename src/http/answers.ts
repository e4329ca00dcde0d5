import { z } from 'zod'
import { type ErrorCode, replyErrors, type ReplyErrorCode } from '../errors.ts'
import { idParameter } from './parameters.ts'
import { openAiErrorSchema, openAiStatusOf } from './openai-error.ts'
import { problemSchema, statusOf } from './problem.ts'

/** What any request can be refused for, also one for everybody. */
const always: ErrorCode[] = ['malformed_request', 'host_not_allowed', 'headers_too_large', 'internal_error']

/** The same for one that asks for what is somebody's. */
const usual: ErrorCode[] = [...always, 'unauthorized', 'invalid_request', 'storage_unavailable']

/** The same for one that may carry a body. */
const whenStoring: ErrorCode[] = [
  'malformed_body',
  'body_too_large',
  'unsupported_media_type',
  'storage_full',
]

/** What a status is answered with, by content type. */
export type Contents = (status: number) => Record<string, { schema: z.ZodType }>

const problems: Contents = () => ({ 'application/problem+json': { schema: problemSchema } })

/** The refusals of a route as its page in the reference shows them, by status. */
function refusals<Code extends string>(codes: Code[], contents: Contents, status: (code: Code) => number) {
  const byStatus = Map.groupBy(codes, status)
  return Object.fromEntries(
    [...byStatus].map(([answered, codesOfStatus]) => [
      answered,
      {
        description: [...new Set(codesOfStatus)].map((code) => `\`${code}\``).join(', '),
        content: contents(answered),
      },
    ]),
  )
}

/** The problems of a route that reads. */
export function problemAnswers(...codes: ErrorCode[]) {
  return refusals([...usual, ...codes], problems, statusOf)
}

/** The problems of a route that stores something. */
export function storingProblems(...codes: ErrorCode[]) {
  return problemAnswers(...whenStoring, ...codes)
}

/** The problems of a route that is for everybody. */
export function publicProblems(...codes: ErrorCode[]) {
  return refusals([...always, ...codes], problems, statusOf)
}

/** The refusals of a door with shapes of its own. */
export function refusalsIn(contents: Contents, status = statusOf) {
  return {
    reading: (...codes: ErrorCode[]) => refusals([...usual, ...codes], contents, status),
    storing: (...codes: ErrorCode[]) => refusals([...usual, ...whenStoring, ...codes], contents, status),
  }
}

const openAiErrors: Contents = () => ({ 'application/json': { schema: openAiErrorSchema } })

/** Those of OpenAI's wire. */
export const openAiRefusals = {
  ...refusalsIn(openAiErrors, openAiStatusOf),
  /** Of a route that waits for a model's answer, which may come to nothing. */
  answering: (...codes: ErrorCode[]) =>
    refusals(
      [...usual, ...whenStoring, ...codes, ...(Object.keys(replyErrors) as ReplyErrorCode[])],
      openAiErrors,
      openAiStatusOf,
    ),
}

export const uuidParams = z.object({ id: idParameter() })
