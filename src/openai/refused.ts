import { z } from 'zod'

/** A field of OpenAI's that nothing here can do: to leave it out, or null, is the same as there. */
export function refused(why: string) {
  return z.null({ error: `is not supported: ${why}` }).optional()
}

/** Of a union by `field`: what is told of a kind that is not among those that are `known`. */
export function unknownKind(field: string, known: string) {
  return {
    error: ({ input }: { input?: unknown }) =>
      typeof input === 'object' && input !== null && field in input
        ? `is not supported: known are ${known}`
        : 'is required',
  }
}

/** A field of which only `values` change nothing, or are done anyway; null is to leave it out. */
export function only<
  const Values extends readonly [string | number | boolean, ...Array<string | number | boolean>],
>(values: Values, why: string) {
  return z.literal(values, { error: `is not supported: ${why}` }).nullish()
}
