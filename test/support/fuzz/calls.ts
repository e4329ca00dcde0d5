import * as fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { OpenApi, Operation, Parameter } from '../openapi.ts'
import { change, changed, hostileValue, validValue } from './values.ts'

/** An id in a path: of something that is there, or as it stands. */
export type Id = { known: number } | { raw: string }

export interface Call {
  id: Id
  /** `{known7}` in it stands for an item of the list. */
  query: string
  headers: Record<string, string>
  body: Buffer | undefined
}

/** Calls of an operation: valid ones, ones that are nearly so, and hostile ones. */
export function callsOf(openapi: OpenApi, operation: Operation): Arbitrary<Call> {
  const { parameters = [] } = operation
  return fc.record({
    id: idArbitrary,
    query: queryArbitrary(
      openapi,
      parameters.filter((parameter) => parameter.in === 'query'),
    ),
    headers: fc
      .tuple(
        contentType,
        headersArbitrary(
          openapi,
          parameters.filter((parameter) => parameter.in === 'header'),
        ),
      )
      .map(([type, headers]) => ({ ...type, ...headers })),
    body: bodyArbitrary(openapi, operation),
  })
}

const idArbitrary: Arbitrary<Id> = fc.oneof(
  { weight: 7, arbitrary: fc.record({ known: fc.nat({ max: 1_000 }) }) },
  { weight: 1, arbitrary: fc.uuid().map((raw) => ({ raw })) },
  { weight: 2, arbitrary: fc.record({ raw: hostileStep() }) },
)

function hostileStep(): Arbitrary<string> {
  const literal = [
    '',
    '.',
    '..',
    '%',
    '%zz',
    '%00',
    '%2F',
    '%2e%2e',
    '%ff%fe',
    '*',
    ':id',
    '{id}',
    ';',
    '~',
    '"',
    '|',
  ]
  return fc.oneof(
    fc.constantFrom(...literal, 'a'.repeat(250)),
    fc.string({ unit: 'binary', maxLength: 40 }).map(encoded),
  )
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

function queryArbitrary(openapi: OpenApi, parameters: Parameter[]): Arbitrary<string> {
  const pairs = parameters.map(({ name, schema }) => {
    const valid = validValue(openapi, schema).map((value) => encoded(String(value)))
    const cursor = schema['format'] === 'uuid' ? fc.nat({ max: 1_000 }).map((at) => `{known${at}}`) : valid
    const values = fc.oneof(
      { weight: 3, arbitrary: cursor },
      { weight: 2, arbitrary: valid },
      { weight: 1, arbitrary: hostileStep() },
    )
    return values.map((value) => `${name}=${value}`)
  })
  const strange = fc.oneof(
    fc.constantFrom('&', '=', '?', '%', '__proto__=1', 'limit[]=1', 'limit[a]=1', 'constructor=x', '#', '+'),
    fc.tuple(hostileStep(), hostileStep()).map(([name, value]) => `${name}=${value}`),
  )
  const chosen = pairs.length > 0 ? fc.array(fc.oneof(...pairs), { maxLength: 3 }) : fc.constant<string[]>([])
  const extra = fc.oneof(
    { weight: 5, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.array(strange, { maxLength: 2 }) },
  )
  return fc.tuple(chosen, extra).map(([some, others]) => [...some, ...others].join('&'))
}

const headerText = fc
  .string({
    maxLength: 60,
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  })
  .map(sendable)

/** Without what Node's own client would not send. */
function sendable(value: unknown): string {
  return String(value).replaceAll(/[^\x20-\x7e\x80-\xff]/g, '')
}

function headersArbitrary(openapi: OpenApi, parameters: Parameter[]): Arbitrary<Record<string, string>> {
  const described = parameters.map(({ name, schema }) => [
    name,
    fc.oneof(
      { weight: 5, arbitrary: validValue(openapi, schema).map(sendable) },
      { weight: 1, arbitrary: headerText },
    ),
  ])
  const usual = [
    'accept',
    'origin',
    'authorization',
    'content-encoding',
    'cookie',
    'range',
    'if-match',
    'host',
  ]
  const others = usual.map((name) => [name, headerText])
  return fc.oneof(
    { weight: 30, arbitrary: fc.record(Object.fromEntries(described), { requiredKeys: [] }) },
    { weight: 2, arbitrary: fc.record(Object.fromEntries([...described, ...others]), { requiredKeys: [] }) },
    { weight: 1, arbitrary: fc.record({ host: headerText }) },
  )
}

const json = { 'content-type': 'application/json' }
const contentType: Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 12, arbitrary: fc.constant(json) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.constant({}),
      fc
        .oneof(
          fc.constantFrom('text/plain', 'application/json; charset=x', 'application/json;', '/', ''),
          headerText,
        )
        .map((type) => ({ 'content-type': type })),
    ),
  },
)

function bodyArbitrary(openapi: OpenApi, { requestBody }: Operation): Arbitrary<Buffer | undefined> {
  const schema = requestBody?.content['application/json']?.schema
  const none = { weight: schema ? 1 : 8, arbitrary: fc.constant(undefined) }
  const valid = schema ? validValue(openapi, schema) : hostileValue
  const nearly = fc
    .tuple(valid, fc.array(change, { minLength: 1, maxLength: 2 }))
    .map(([value, changes]) => changes.reduce(changed, value))
  return fc.oneof(
    none,
    { weight: 3, arbitrary: valid.map(toJson) },
    { weight: 5, arbitrary: nearly.map(toJson) },
    { weight: 1, arbitrary: hostileValue.map(toJson) },
    { weight: 1, arbitrary: fc.tuple(valid.map(toJson), fc.nat(), splice).map(damaged) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  )
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value) ?? '')
}

/** What is put in the place of a byte. */
const splice = fc.oneof(
  fc
    .constantFrom('', '"', '{', ']', ',', '\\', '\\u', '1e999', '-', 'NaN', '\u0000', '\n', '/**/')
    .map((text) => Buffer.from(text)),
  fc.constant(Buffer.from([0xc3, 0x28])),
)

function damaged([text, at, bytes]: [Buffer, number, Buffer]): Buffer {
  const place = text.length === 0 ? 0 : at % text.length
  return Buffer.concat([text.subarray(0, place), bytes, text.subarray(place + 1)])
}
