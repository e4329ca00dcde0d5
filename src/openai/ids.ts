import { type FieldError, isNotFound, ParleyError } from '../errors.ts'

/** What an id stands for, by its prefix, in the words of who gets it back. */
const kinds = {
  conv_: 'Conversation',
  resp_: 'Response',
  'chatcmpl-': 'Chat completion',
  msg_: 'Item',
  rs_: 'Item',
  fc_: 'Item',
  fco_: 'Item',
  cmp_: 'Item',
} as const

export type IdKind = keyof typeof kinds

/**
 * The id of a row on OpenAI's wire: what it is, and the digits of its UUID. An item that is only a part of a
 * message has the message's, and behind it which part, from 1; the first needs none. Where an attempt told it in
 * place of what was told before, its number stands behind that.
 */
export function openAiId(kind: IdKind, uuid: string, part = 0, toldAttempt?: number | null): string {
  const id = `${kind}${uuid.replaceAll('-', '')}`
  const again = typeof toldAttempt === 'number' ? `_r${toldAttempt}` : ''
  return part === 0 ? `${id}${again}` : `${id}_${part}${again}`
}

/** What an item can be known by. */
export const itemKinds = ['msg_', 'rs_', 'fc_', 'fco_', 'cmp_'] as const

/** Whether two ids are of one item, which may have been told by several attempts, by each under an id of its own. */
export function isSameItem(id: string, other: string): boolean {
  return withoutAttempt(id) === withoutAttempt(other)
}

function withoutAttempt(id: string): string {
  return id.replace(/_r[1-9]\d{0,5}$/, '')
}

/** Where an id stands in the request. */
export type Place = Pick<FieldError, 'in' | 'field'>

/**
 * The UUID of an id. Rejects with `invalid_request` what cannot be one because it says that it is something else,
 * and with `not_found` what was never given here.
 */
export function uuidOf(kind: IdKind, id: string, place: Place): string {
  const { uuid } = partOf([kind], id, place)
  if (id !== openAiId(kind, uuid)) throw missing(kind, id, place)
  return uuid
}

/** The same for an id of one of several kinds, that may be of a part of a message. */
export function partOf(
  allowed: readonly IdKind[],
  id: string,
  place: Place,
): { kind: IdKind; uuid: string; part: number } {
  const kind = allowed.find((prefix) => id.startsWith(prefix))
  if (!kind) throw wrongKind(allowed, place)
  const digits =
    /^([\da-f]{8})([\da-f]{4})([\da-f]{4})([\da-f]{4})([\da-f]{12})(?:_([1-9]\d{0,3}))?(?:_r[1-9]\d{0,5})?$/.exec(
      id.slice(kind.length),
    )
  if (!digits) throw missing(kind, id, place)
  return { kind, uuid: digits.slice(1, 6).join('-'), part: Number(digits[6] ?? 0) }
}

/** What is not there, or another's. A field that names it is told; a path is what was asked for anyway. */
export function missing(kind: IdKind, id: string, place?: Place): ParleyError {
  const message = `${kinds[kind]} with id '${id.slice(0, 100)}' not found.`
  const fields = place && place.in !== 'path' ? [{ ...place, message }] : []
  return new ParleyError('not_found', message, { fields })
}

/** What `finding` finds; where that is nothing, it is told by the id that was asked for. */
export async function found<T>(kind: IdKind, id: string, finding: Promise<T>, place?: Place): Promise<T> {
  try {
    return await finding
  } catch (error) {
    if (isNotFound(error)) throw missing(kind, id, place)
    throw error
  }
}

function wrongKind(allowed: readonly IdKind[], place: Place): ParleyError {
  const prefixes = allowed.map((kind) => `'${kind}'`).join(' or ')
  const message = `expected an id that begins with ${prefixes}`
  return new ParleyError('invalid_request', `Invalid '${place.field}': ${message}.`, {
    fields: [{ ...place, message }],
  })
}
