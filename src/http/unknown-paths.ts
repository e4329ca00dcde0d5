import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ParleyError } from '../errors.ts'
import type { Paths } from './paths.ts'
import { sendInShapeOf, splitQuery } from './refusal-shapes.ts'

/**
 * Answers what no route answers. A path that only misses its slash at the end, or has one too many, is
 * redirected.
 */
export function answerUnknownPaths(app: FastifyInstance, paths: Paths): void {
  // Before its body is read: what is not there is not there, whatever is sent to it.
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (request.is404 || hasEmptyParameter(request)) answer(request, reply)
    else done()
  })
  app.setNotFoundHandler(answer)

  function answer(request: FastifyRequest, reply: FastifyReply) {
    const [path, query] = splitQuery(request.url)
    const methods = paths.methodsOf(path)
    const other = path.endsWith('/') ? path.slice(0, -1) : `${path}/`
    if (methods.length === 0 && paths.methodsOf(other).length > 0 && !other.startsWith('//')) {
      return reply.redirect(query === undefined ? other : `${other}?${query}`, 307)
    }
    // A folder has its method also for files that it does not have.
    if (methods.length === 0 || methods.includes(request.method)) {
      return sendInShapeOf(path, reply, new ParleyError('not_found', 'Not Found'))
    }
    void reply.header('allow', methods.join(', '))
    return sendInShapeOf(path, reply, new ParleyError('method_not_allowed', 'Method Not Allowed'))
  }
}

/** The router takes `/v1/messages/` for `/v1/messages/:id` without an id. */
function hasEmptyParameter({ params }: FastifyRequest): boolean {
  return Object.entries(params ?? {}).some(([name, value]) => value === '' && name !== '*')
}
