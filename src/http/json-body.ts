import type { FastifyInstance } from 'fastify'
import { ParleyError } from '../errors.ts'

/** Deeper JSON than this is refused: no request needs it, and walking it could exhaust the stack. */
const maxDepth = 64

/** Reads bodies as JSON in UTF-8, and nothing else. An empty body is none. */
export function readJsonBodies(app: FastifyInstance): void {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    const text = decode(decoder, body as Buffer)
    if (text === undefined) return done(malformed('The body is not UTF-8.'))
    if (isTooDeep(text)) return done(malformed(`The body is nested more than ${maxDepth} levels deep.`))
    return parse(request, text, done)
  })
}

function malformed(detail: string): ParleyError {
  return new ParleyError('malformed_body', detail, { fields: [{ in: 'body', field: '', message: detail }] })
}

function decode(decoder: TextDecoder, body: Buffer): string | undefined {
  try {
    return decoder.decode(body)
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
