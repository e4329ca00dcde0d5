import type { FastifyInstance } from 'fastify'

/** Knows which methods a path has, for answers that say more than "not found". */
export interface Paths {
  /** The methods of the routes that `path` matches; [] where there is none. */
  methodsOf(path: string): string[]
}

/** Watches the routes that are added to `app`, which must be all of them: call it first. */
export function watchPaths(app: FastifyInstance): Paths {
  const routes: Array<{ pattern: RegExp; methods: string[] }> = []
  app.addHook('onRoute', ({ url, method }) => {
    // A route for every path (CORS has one) says nothing about what is there.
    if (url !== '*') routes.push({ pattern: toPattern(url), methods: [method].flat() })
  })
  return {
    methodsOf: (path) => [
      ...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods)),
    ],
  }
}

function toPattern(url: string): RegExp {
  const source = url
    .split('/')
    .map((part) => (part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : escape(part)))
    .join('/')
  return new RegExp(`^${source}$`)
}

function escape(part: string): string {
  return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}
