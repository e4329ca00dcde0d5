import { Ajv2020 } from 'ajv/dist/2020.js'

export type Schema = Record<string, unknown>

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema: Schema
}

interface Answer {
  description: string
  content?: Record<string, { schema: Schema }>
}

interface Described {
  summary?: string
  tags?: string[]
  security?: Array<Record<string, string[]>>
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> }
  responses: Record<string, Answer>
}

export interface OpenApi {
  openapi: string
  info: { title: string; version: string }
  tags: Array<{ name: string }>
  security: Array<Record<string, string[]>>
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, Schema> }
}

export interface Operation extends Described {
  method: string
  /** As in the reference: `/v1/messages/{id}`. */
  path: string
}

/** Every operation of the reference. */
export function operationsOf(openapi: OpenApi): Operation[] {
  return Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({
      method: method.toUpperCase(),
      path,
      ...described,
    })),
  )
}

/** The schema that `schema` stands for. */
export function resolve(openapi: OpenApi, schema: Schema): Schema {
  const name = /^#\/components\/schemas\/(.+)$/.exec(String(schema['$ref']))?.[1]
  const found = name === undefined ? schema : openapi.components.schemas[name]
  if (!found) throw new Error(`${String(schema['$ref'])} leads nowhere`)
  return found
}

export interface GivenAnswer {
  status: number
  contentType: string
  body: unknown
}

/** Compares answers with the reference: gives what is wrong with an answer, undefined where nothing is. */
export function createAnswerCheck(openapi: OpenApi) {
  const ajv = createAjv()
  ajv.addSchema(openapi, 'openapi')
  return function check({ method, path, responses }: Operation, given: GivenAnswer): string | undefined {
    const answer = responses[given.status]
    if (!answer) return `status ${given.status} is not in the reference`
    if (!answer.content) return given.body === '' ? undefined : 'a body where none is in the reference'
    const [type = ''] = given.contentType.split(';')
    if (!answer.content[type]) return `content type "${type}" is not in the reference`
    const steps = ['paths', path, method.toLowerCase(), 'responses', given.status, 'content', type, 'schema']
    const validate = ajv.getSchema(`openapi#/${steps.map(pointer).join('/')}`)
    if (!validate) throw new Error(`no schema at ${steps.join(' ')}`)
    return validate(given.body) ? undefined : ajv.errorsText(validate.errors)
  }
}

/** Gives what is wrong with a schema as such, by JSON Schema 2020-12. */
export function createSchemaCheck() {
  const ajv = createAjv()
  return (schema: unknown): string | undefined =>
    ajv.validateSchema(schema as Schema) === true ? undefined : ajv.errorsText(ajv.errors)
}

function createAjv() {
  // The formats of the reference come with a pattern each.
  return new Ajv2020({ strict: false, allErrors: true, validateFormats: false })
}

/** A step of a JSON pointer in the fragment of a URI (RFC 6901, section 6). */
function pointer(step: string | number): string {
  return encodeURIComponent(String(step).replaceAll('~', '~0').replaceAll('/', '~1'))
}
