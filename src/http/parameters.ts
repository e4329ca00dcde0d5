import { z } from 'zod'

/** An id in a path or a query. A UUID is the same in capitals (RFC 9562, section 4); what is stored has none. */
export function idParameter() {
  return z.uuid().toLowerCase()
}

/** A whole number in a query or a header. */
export function wholeNumber(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, { error: 'must be a whole number' })
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .meta({ type: 'integer', minimum: min, maximum: max, pattern: undefined })
}
