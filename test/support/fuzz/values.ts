import * as fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import { type OpenApi, resolve, type Schema } from '../openapi.ts'

/** Longer texts and lists are no more valid, only slower; those at their limits have tests of their own. */
const usualLength = 40
const usualItems = 5

/** Values that `schema` allows. */
export function validValue(openapi: OpenApi, schema: Schema): Arbitrary<unknown> {
  const found = resolve(openapi, schema) as Record<string, never>
  const options = (found['anyOf'] ?? found['oneOf']) as Schema[] | undefined
  if (options) return fc.oneof(...options.map((option) => validValue(openapi, option)))
  if ('const' in found) return fc.constant(found['const'])
  if (found['enum']) return fc.constantFrom(...(found['enum'] as unknown[]))
  const type: unknown = found['type']
  if (Array.isArray(type)) {
    return fc.oneof(...type.map((each: string) => validValue(openapi, { ...found, type: each })))
  }
  switch (type) {
    case 'string':
      return validText(found)
    case 'integer': {
      const { minimum: min = -1e9, maximum: max = 1e9 } = found
      return fc.oneof(fc.integer({ min, max }), fc.integer({ min, max: Math.min(max, min + 10) }))
    }
    case 'number': {
      const range = { min: found['minimum'] ?? -1e9, max: found['maximum'] ?? 1e9 }
      return fc.double({ ...range, noNaN: true, noDefaultInfinity: true })
    }
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array': {
      const maxLength = Math.min(found['maxItems'] ?? usualItems, usualItems)
      return fc.array(validValue(openapi, found['items'] ?? {}), {
        minLength: found['minItems'] ?? 0,
        maxLength,
      })
    }
    case 'object':
      return validObject(openapi, found)
    default:
      return fc.jsonValue()
  }
}

function validText(schema: Schema): Arbitrary<string> {
  const examples = schema['examples'] as string[] | undefined
  if (examples) return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...examples) }, anyText(schema))
  if (schema['format'] === 'uuid') return fc.uuid({ version: 7 })
  return anyText(schema)
}

function anyText(schema: Schema): Arbitrary<string> {
  const minLength = Number(schema['minLength'] ?? 0)
  const maxLength = Math.max(minLength, Math.min(Number(schema['maxLength'] ?? usualLength), usualLength))
  // A grapheme may be several characters; a length in characters is what the schema counts.
  return fc
    .string({ minLength, maxLength, unit: 'grapheme' })
    .map((text) => text.slice(0, maxLength).toWellFormed())
}

function validObject(openapi: OpenApi, schema: Schema): Arbitrary<unknown> {
  const { additionalProperties: additional, propertyNames: names, properties = {} } = schema
  if (typeof additional === 'object' && additional !== null) {
    const key = validValue(openapi, (names ?? { type: 'string' }) as Schema) as Arbitrary<string>
    return fc.dictionary(key, validValue(openapi, additional as Schema), { maxKeys: usualItems })
  }
  const fields = Object.entries(properties as Record<string, Schema>).map(
    ([name, field]) => [name, validValue(openapi, field)] as const,
  )
  return fc.record(Object.fromEntries(fields), { requiredKeys: (schema['required'] ?? []) as string[] })
}

const nested = (depth: number, wrap: (inner: unknown) => unknown) =>
  Array.from({ length: depth }).reduce<unknown>((inner) => wrap(inner), 1)

/** Values that have broken something somewhere. */
export const hostileValue: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -0,
    -1,
    1.5,
    1e308,
    -1e-308,
    2 ** 31,
    2 ** 53,
    -(2 ** 63),
    '',
    ' ',
    '0',
    'null',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udfff\ud800',
    '\ufeff',
    '\u202e',
    '%s%n%x',
    "'; drop table messages; --",
    '{{7*7}}${7*7}',
    '../../etc/passwd',
    'x'.repeat(70_000),
    '🫖'.repeat(300),
    [],
    {},
    [[]],
    [null],
    Array.from({ length: 1_000 }, () => 0),
    Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`key${at}`, at])),
    JSON.parse('{"__proto__": {"role": "Human", "content": "x"}}'),
    { constructor: { prototype: { role: 'Human' } } },
    JSON.parse('{"toString": 1, "valueOf": 2, "hasOwnProperty": 3, "length": -1, "then": 4}'),
    nested(40, (inner) => [inner]),
    nested(40, (inner) => ({ a: inner })),
    nested(80, (inner) => [inner]),
  ),
  fc.jsonValue(),
  fc.string({ unit: 'binary', maxLength: 30 }),
)

export interface Change {
  /** Which of the places within the value, counted around. */
  at: number
  how: 'replace' | 'remove' | 'add' | 'repeat' | 'wrap'
  value: unknown
  key: string
}

export const change: Arbitrary<Change> = fc.record({
  at: fc.nat({ max: 200 }),
  how: fc.constantFrom('replace', 'remove', 'add', 'repeat', 'wrap'),
  value: hostileValue,
  key: fc.oneof(
    fc.constantFrom('id', 'owner_id', '__proto__', 'constructor', ''),
    fc.string({ maxLength: 8 }),
  ),
})

/** A copy of `value` that is a little different in one place. */
export function changed(value: unknown, given: Change): unknown {
  const root = { value: structuredClone(value) }
  const places = [...placesIn(root)]
  const place = places[given.at % places.length]
  if (!place) return value
  const { holder, key } = place
  const old = holder[key]
  if (given.how === 'replace') holder[key] = given.value
  else if (given.how === 'remove') delete holder[key]
  else if (given.how === 'wrap') holder[key] = [old]
  else if (given.how === 'repeat' && Array.isArray(old))
    holder[key] = Array.from({ length: 70 }, () => old).flat()
  else if (Array.isArray(old)) old.push(given.value)
  else if (typeof old === 'object' && old !== null) define(old, given.key, given.value)
  return root.value
}

type Holder = Record<string, unknown>

function* placesIn(holder: Holder): Generator<{ holder: Holder; key: string }> {
  for (const key of Object.keys(holder)) {
    yield { holder, key }
    const inner = holder[key]
    if (typeof inner === 'object' && inner !== null) yield* placesIn(inner as Holder)
  }
}

/** Also where the key is `__proto__`. */
function define(object: object, key: string, value: unknown) {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
