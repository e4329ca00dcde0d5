import { isIP } from 'node:net'
import { z } from 'zod'

/** One variable of the environment: how to read it, and what it is for. */
export interface Setting<Value> {
  variable: string
  about: string
  /** Shown in `.env.example`. */
  example: string
  /** Throws an Error that names the variable and says what would be right. */
  read: (text: string | undefined) => Value
}

interface About<Value> {
  about: string
  default?: Value
  example?: string
  /** Its value is never repeated in a message. */
  secret?: boolean
}

/** A text; undefined where it is unset and has no default. */
export function text(variable: string, options: About<string> & { default: string }): Setting<string>
export function text(variable: string, options: About<string>): Setting<string | undefined>
export function text(variable: string, options: About<string>) {
  return setting(variable, options, (given) => given)
}

/** A secret that clients send in a header. */
export function key(variable: string, options: About<string> & { minLength: number }) {
  const { minLength } = options
  return setting(variable, { ...options, secret: true }, (given) => {
    if (given.length < minLength) throw new Error(`${variable} must have at least ${minLength} characters`)
    if (/^[!-~]+$/.test(given)) return given
    throw new Error(`${variable} must be of letters, digits and signs of ASCII, without spaces`)
  })
}

/** A whole number between `min` and `max`, both included. */
export function whole(
  variable: string,
  options: About<number> & { default: number; min: number; max: number },
): Setting<number> {
  const { min, max } = options
  return setting(variable, options, (given) => {
    const number = Number(given)
    if (/^\d+$/.test(given) && number >= min && number <= max) return number
    throw new Error(`${variable} must be a whole number from ${min} to ${max}, not "${given}"`)
  }) as Setting<number>
}

/** One of a few words. */
export function choice<const Word extends string>(
  variable: string,
  words: readonly Word[],
  options: About<Word> & { default: Word },
): Setting<Word> {
  return setting(variable, options, (given) => {
    const word = words.find((candidate) => candidate === given)
    if (word) return word
    throw new Error(`${variable} must be one of ${words.join(', ')}, not "${given}"`)
  }) as Setting<Word>
}

/** Texts between commas. */
export function list(variable: string, options: About<string[]>): Setting<string[]> {
  return setting(variable, { default: [], ...options }, (given) =>
    given
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  ) as Setting<string[]>
}

/** Some of `known`, separated by commas. */
export function choices<const Known extends string>(
  variable: string,
  known: readonly Known[],
  options: About<Known[]>,
): Setting<Known[]> {
  const { read, ...rest } = list(variable, options)
  return {
    ...rest,
    read(given) {
      const chosen = read(given)
      const strange = chosen.find((item) => !known.some((one) => one === item))
      if (strange === undefined) return chosen as Known[]
      throw new Error(`${variable} must be some of ${known.join(', ')}, not "${strange}"`)
    },
  }
}

/** An http or https address, without the slash at its end. */
export function url(variable: string, options: About<string> & { default: string }): Setting<string>
export function url(variable: string, options: About<string>): Setting<string | undefined>
export function url(variable: string, options: About<string>) {
  return setting(variable, options, (given) => {
    if (z.url({ protocol: /^https?$/ }).safeParse(given).success) return given.replace(/\/+$/, '')
    throw new Error(`${variable} must be an address such as http://127.0.0.1:8080/v1, not "${given}"`)
  })
}

/** A host name or an IP address. */
export function address(variable: string, options: About<string> & { default: string }): Setting<string> {
  return setting(variable, options, (given) => {
    const bare = given.replace(/^\[(.*)\]$/, '$1')
    if (isIP(bare) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(bare)) return bare
    throw new Error(`${variable} must be a host name or an IP address such as 0.0.0.0, not "${given}"`)
  }) as Setting<string>
}

/** Where everything is kept. */
export type DatabaseSetting = { engine: 'sqlite'; path: string } | { engine: 'postgres'; url: string }

/** `sqlite:<path>`, or the address of a PostgreSQL database. It can hold a password, and is never repeated. */
export function database(
  variable: string,
  options: About<DatabaseSetting> & { default: DatabaseSetting },
): Setting<DatabaseSetting> {
  return setting(variable, options, (given): DatabaseSetting => {
    const [, path] = /^sqlite:(?:\/\/)?(.+)$/.exec(given) ?? []
    // What SQLite reads as something else than the path of a file: each connection would have its own database.
    if (path && path !== ':memory:' && !path.startsWith('file:')) return { engine: 'sqlite', path }
    if (isPostgresUrl(given)) return { engine: 'postgres', url: given }
    throw new Error(
      `${variable} must be sqlite:<path of a file>, such as ${options.example}, or postgres://<user>:<password>@<host>/<database>`,
    )
  }) as Setting<DatabaseSetting>
}

/** The address of a PostgreSQL database; undefined where it is unset. It can hold a password, and is never repeated. */
export function postgres(variable: string, options: About<string>): Setting<string | undefined> {
  return setting(variable, options, (given) => {
    if (isPostgresUrl(given)) return given
    throw new Error(`${variable} must be postgres://<user>:<password>@<host>/<database>`)
  })
}

function isPostgresUrl(given: string): boolean {
  return /^postgres(ql)?:$/.test(URL.parse(given)?.protocol ?? '')
}

/** JSON of a given shape. */
export function json<Shape>(
  variable: string,
  shape: z.ZodType<Shape>,
  options: About<Shape>,
): Setting<Shape | undefined> {
  return setting(variable, options, (given) => {
    const parsed = z.string().transform(parseJson).pipe(shape).safeParse(given)
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    const place = issue?.path.length ? ` at ${issue.path.join('.')}` : ''
    throw new Error(`${variable}${place}: ${issue?.message}; expected JSON like ${options.example}`)
  })
}

function parseJson(given: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(given)
  } catch {
    context.addIssue({ code: 'custom', message: 'is not valid JSON' })
    return z.NEVER
  }
}

function setting<Value>(
  variable: string,
  options: About<Value>,
  parse: (given: string) => Value,
): Setting<Value | undefined> {
  return {
    variable,
    about: options.about,
    example: options.example ?? describe(options.default),
    read: (given) => (given === undefined ? options.default : parse(given)),
  }
}

function describe(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
