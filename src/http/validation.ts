import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { type FieldError, ParleyError } from '../errors.ts'

const places: Record<string, FieldError['in']> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'header',
}

/** Checks each part of a request with its zod schema; what is wrong becomes an error that names the fields. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  const place = places[httpPart] ?? 'body'
  // Fastify says null where there is no body.
  return (data: unknown) => check(schema, data ?? undefined, place)
}

function check<Value>(
  schema: z.ZodType<Value>,
  given: unknown,
  place: FieldError['in'],
): { value: Value } | { error: ParleyError } {
  const parsed = schema.safeParse(given)
  if (parsed.success) return { value: parsed.data }
  // Once more for who is refused: the input is what tells a wrong type from a missing field.
  const { error } = schema.safeParse(given, { reportInput: true })
  return { error: invalid(fieldErrors(place, (error ?? parsed.error).issues)) }
}

/** What `given`, which came otherwise than in a request, is by its schema; throws what is wrong with it. */
export function checked<Value>(schema: z.ZodType<Value>, given: unknown): Value {
  const result = check(schema, given, 'body')
  if ('error' in result) throw result.error
  return result.value
}

/** An error that names each field and what is wrong with it. */
export function invalid(fields: FieldError[]): ParleyError {
  const detail = fields
    .map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
    .join('; ')
  return new ParleyError('invalid_request', detail, { fields })
}

function fieldErrors(place: FieldError['in'], issues: readonly z.core.$ZodIssue[]): FieldError[] {
  return issues.slice(0, 20).flatMap((issue) => {
    // An unknown key is named itself, not only the object that holds it.
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.slice(0, 20).map((key) => ({
        in: place,
        field: [...issue.path, key].join('.').slice(0, 200),
        message: 'is not known',
      }))
    }
    const meant = issue.code === 'invalid_union' && issue.errors.find((option) => option.some(isWithin))
    if (meant)
      return fieldErrors(
        place,
        meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
      )
    return [{ in: place, field: issue.path.join('.').slice(0, 200), message: explain(issue) }]
  })
}

/** Whether an option of a union fits as a whole, and only something in it is wrong: that option was meant. */
function isWithin({ path }: z.core.$ZodIssue): boolean {
  return path.length > 0
}

/** What zod says of a field that is not there: by its kind of schema. */
const missing = new Set(['invalid_type', 'invalid_value', 'invalid_union'])

function explain(issue: z.core.$ZodIssue): string {
  if (issue.input === undefined && missing.has(issue.code)) return 'is required'
  if (issue.code === 'invalid_union') {
    const options = issue.errors
      .map((option) => option[0]?.message)
      .filter((message) => message !== undefined)
    return [...new Set(options)].slice(0, 5).join(', or ') || issue.message
  }
  return issue.message
}
