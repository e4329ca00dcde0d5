import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import stableStringify from 'safe-stable-stringify'
import { z } from 'zod'
import { wholeNumber } from '../http/parameters.ts'
import type { RequestKey } from './idempotency.ts'

/** Says that an answer is that of an earlier request. */
export const replayedHeader = 'idempotent-replayed'

/** The headers of a request that may come twice. */
export const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .refine((header) => keyIn(header) !== undefined, {
      error: 'must be one key of 1 to 255 visible characters of ASCII, bare or in quotes',
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
 * The key of a request: the one that it names, or for a client that counts its tries, what it asks for. It is asked
 * for by the body as it was sent: what another version of this server would read into it makes no difference.
 */
export function requestKeyOf(
  request: {
    method: string
    routeOptions: { url?: string | undefined }
    params: unknown
    sentBody: unknown
    headers: z.infer<typeof idempotencyHeaders>
    raw: Pick<IncomingMessage, 'socket'>
  },
  ownerId: string,
): RequestKey | undefined {
  const { method, routeOptions, params, sentBody, headers, raw } = request
  const { 'idempotency-key': header, 'x-stainless-retry-count': tries } = headers
  if (header === undefined && tries === undefined) return undefined
  // The order of an object's fields makes no difference, nor does an empty body.
  const asked = stableStringify([method, routeOptions.url, params, sentBody ?? {}])
  const fingerprint = hash('sha256', asked, 'base64url')
  const key = header === undefined ? undefined : keyIn(header)
  if (key !== undefined) return { ownerId, key, fingerprint }
  // A client that has left has ended its side of the connection.
  const isGone = () => raw.socket.destroyed || raw.socket.readableEnded
  return { ownerId, key: `retry ${fingerprint}`, fingerprint, tries: tries ?? 0, isGone }
}

/**
 * The key that a header names: bare, as everybody sends it, or in quotes, as the draft has it (a string of RFC 9651,
 * section 3.3.3). Two headers arrive as one with a comma.
 */
function keyIn(header: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1]
  const key = quoted === undefined ? header : quoted.replaceAll(/\\(["\\])/g, '$1')
  const isBareKey = !/^"|, /.test(header)
  return (quoted !== undefined || isBareKey) && isVisible(key) ? key : undefined
}

function isVisible(key: string): boolean {
  return /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/.test(key)
}
