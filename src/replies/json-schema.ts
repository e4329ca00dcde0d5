import { createContext, runInContext } from 'node:vm'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { z } from 'zod'

const maxSchemaChars = 100_000
/** A schema can be made to take for ever, with a pattern for one; it may hold up nobody else. */
const timeoutMs = 500

/** A JSON schema that is only passed on. */
export const jsonSchemaObject = z
  .record(z.string(), z.unknown())
  .refine((schema) => JSON.stringify(schema).length <= maxSchemaChars, {
    error: `must have at most ${maxSchemaChars} characters`,
  })

/** A JSON schema that answers are held to: one that can be compiled. */
export const checkedJsonSchema = jsonSchemaObject.superRefine((schema, { addIssue }) => {
  const compiled = compile(schema)
  if ('wrong' in compiled) addIssue({ code: 'custom', message: compiled.wrong })
})

export type JsonSchema = z.infer<typeof jsonSchemaObject>

/** Why `value` does not conform to `schema`; undefined where it does. */
export function whyNot(schema: JsonSchema, value: unknown): string | undefined {
  const compiled = compile(schema)
  if ('wrong' in compiled) return compiled.wrong
  const { validate } = compiled
  const checked = inTime(() => (validate(value) ? [] : (validate.errors ?? [])))
  if ('wrong' in checked) return checked.wrong
  const [error] = checked.done
  return error && describe(error)
}

const options = { strict: false, validateFormats: false, logger: false } as const
/** One for each schema: what it calls itself must not be known to the next. It knows no schema of schemas. */
const ownOptions = { ...options, meta: false, validateSchema: false } as const
/** Those that say whether a schema is one; theirs is compiled once, and they remember none that they check. */
const draft7 = lazily(() => new Ajv(options))
const draft2020 = lazily(() => new Ajv2020(options))

function compile(schema: JsonSchema): { validate: ValidateFunction } | { wrong: string } {
  // What is made of such a schema answers with a promise, which would pass for "yes".
  if ('$async' in schema) return { wrong: 'must not be $async' }
  const is2020 = isOf2020(schema)
  const checker = is2020 ? draft2020() : draft7()
  const compiled = inTime(() => {
    if (checker.validateSchema(schema) !== true)
      throw new Error(checker.errorsText(undefined, { dataVar: '' }))
    return (is2020 ? new Ajv2020(ownOptions) : new Ajv(ownOptions)).compile(schema)
  })
  return 'wrong' in compiled
    ? { wrong: `is no usable JSON schema: ${compiled.wrong}` }
    : { validate: compiled.done }
}

/** Made and warmed when it is first needed: that takes longer than a schema may. */
function lazily(make: () => Ajv): () => Ajv {
  let made: Ajv | undefined
  return () => {
    if (made) return made
    made = make()
    void made.validateSchema({})
    return made
  }
}

/** Draft 7 unless it says otherwise; both have what providers take. */
function isOf2020({ $schema }: JsonSchema): boolean {
  return typeof $schema === 'string' && $schema.includes('2020-12')
}

/** Does `work` unless it takes too long: only `node:vm` can break off what runs. */
function inTime<T>(work: () => T): { done: T } | { wrong: string } {
  try {
    return { done: runInContext('work()', createContext({ work }), { timeout: timeoutMs }) as T }
  } catch (error) {
    return { wrong: (error as Error).message.slice(0, 200) }
  }
}

function describe({ instancePath, message = 'is not as the schema says' }: ErrorObject): string {
  return `${instancePath || 'the answer'} ${message}`.slice(0, 200)
}
