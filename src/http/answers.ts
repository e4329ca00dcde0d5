import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import { idParameter } from './parameters.ts'
import { problemSchema, statusOf } from './problem.ts'

/** What any request can be refused for. */
const usual: ErrorCode[] = [
  'malformed_body',
  'unauthorized',
  'host_not_allowed',
  'invalid_request',
  'internal_error',
  'storage_unavailable',
]

/** The same for one that stores something. */
const whenStoring: ErrorCode[] = ['body_too_large', 'unsupported_media_type', 'storage_full']

/** The problems of a route as its page in the reference shows them, by status. */
export function problemAnswers(...codes: ErrorCode[]) {
  const all = [...usual, ...codes]
  const byStatus = Map.groupBy(all, statusOf)
  return Object.fromEntries(
    [...byStatus].map(([status, codesOfStatus]) => [
      status,
      {
        description: [...new Set(codesOfStatus)].map((code) => `\`${code}\``).join(', '),
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    ]),
  )
}

export function storingProblems(...codes: ErrorCode[]) {
  return problemAnswers(...whenStoring, ...codes)
}

export const uuidParams = z.object({ id: idParameter() })
