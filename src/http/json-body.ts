import type { FastifyInstance } from 'fastify'
import { type FieldError, ParleyError } from '../errors.ts'

/** Deeper JSON than this is refused: no request needs it, and walking it could exhaust the stack. */
const maxDepth = 64

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was sent, before a schema has read it. */
    sentBody: unknown
  }
}

/** A body that is no JSON. Whoever explains what is wrong with it needs its text; no log may have it. */
export class NotJson extends ParleyError {
  readonly #text: string
  constructor(text: string) {
    super(...malformed('The body is not valid JSON.'))
    this.#text = text
  }
  get text() {
    return this.#text
  }
}

/** Reads bodies as JSON in UTF-8, and nothing else. An empty body is none. */
export function readJsonBodies(app: FastifyInstance): void {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  app.removeAllContentTypeParsers()
  app.decorateRequest('sentBody', undefined)
  app.addHook('preValidation', (request, _reply, done) => {
    request.sentBody = request.body
    done()
  })
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    const text = decode(decoder, body as Buffer)
    if (text === undefined) return done(new ParleyError(...malformed('The body is not UTF-8.')))
    try {
      return done(null, jsonIn(text))
    } catch (error) {
      return done(error as Error)
    }
  })
}

/** The JSON in `text`; throws a ParleyError where it is none that is taken. */
export function jsonIn(text: string): unknown {
  if (isTooDeep(text)) {
    throw new ParleyError(...malformed(`The body is nested more than ${maxDepth} levels deep.`))
  }
  const json = parse(text)
  if (json === undefined) throw new NotJson(text)
  return json
}

function malformed(message: string): [code: 'malformed_body', message: string, { fields: FieldError[] }] {
  return ['malformed_body', message, { fields: [{ in: 'body', field: '', message }] }]
}

function decode(decoder: TextDecoder, body: Buffer): string | undefined {
  try {
    return decoder.decode(body)
  } catch {
    return undefined
  }
}

/** A key `__proto__` becomes a field like any other; schemas copy only what they know. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Counts brackets outside of strings, before anything is built of them. */
function isTooDeep(text: string): boolean {
  let depth = 0
  let inString = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === 0x5c) index += 1
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > maxDepth) return true
    } else if (code === 0x7d || code === 0x5d) depth -= 1
  }
  return false
}
