import { hash } from 'node:crypto'
import stableStringify from 'safe-stable-stringify'
import { z } from 'zod'
import { wholeNumber } from '../http/parameters.ts'
import type { RequestKey } from './idempotency.ts'

/** OpenAI's clients give up after ten minutes, and try again at once. */
const sdkWindowMs = 15 * 60_000

/** Says that an answer is that of an earlier request. */
export const replayedHeader = 'idempotent-replayed'

/** The headers of a request that may come twice. */
export const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/, {
      error: 'must be 1 to 255 visible characters of ASCII',
    })
    .optional()
    .meta({
      description:
        'Of your choice, new for each request. Sent again with the same body, the request is not done again: the ' +
        'answer is what the first one made, with `Idempotent-Replayed: true`. Kept for `IDEMPOTENCY_HOURS`.',
      examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
    }),
  'x-stainless-retry-count': wholeNumber(0, 1_000)
    .optional()
    .meta({ description: "Sent by OpenAI's clients: their retries are recognized without a key." }),
})

/**
 * The key of a request: the one that it names, or for a client that counts its tries, what it asks for. The first
 * try of such a client stands for itself, however often the same was asked before.
 */
export function requestKeyOf(
  request: {
    method: string
    routeOptions: { url?: string | undefined }
    params: unknown
    body: unknown
    headers: z.infer<typeof idempotencyHeaders>
  },
  ownerId: string,
): RequestKey | undefined {
  const { method, routeOptions, params, body, headers } = request
  const { 'idempotency-key': given, 'x-stainless-retry-count': tries } = headers
  if (given === undefined && tries === undefined) return undefined
  // The order of an object's fields makes no difference.
  const asked = stableStringify([method, routeOptions.url, params, body ?? null])
  const fingerprint = hash('sha256', asked, 'base64url')
  // The draft has it as a quoted string, everybody sends it bare: both are the same.
  if (given !== undefined) return { ownerId, key: given.replace(/^"(.+)"$/, '$1'), fingerprint }
  return {
    ownerId,
    key: `retry ${fingerprint}`,
    fingerprint,
    sameWithinMs: sdkWindowMs,
    isFirst: tries === 0,
  }
}
