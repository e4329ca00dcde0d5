import type { FastifyInstance } from 'fastify'

/** Knows which methods a path has, for answers that say more than "not found". */
export interface Paths {
  /** The methods of the routes that `path` matches; [] where there is none. */
  methodsOf(path: string): string[]
}

/** Watches the routes that are added to `app`, which must be all of them: call it first. */
export function watchPaths(app: FastifyInstance): Paths {
  const routes: Array<{ url: string; pattern: RegExp; methods: string[] }> = []
  app.addHook('onRoute', ({ url, method }) => {
    // A route for every path (CORS has one) says nothing about what is there.
    if (url !== '*') routes.push({ url, pattern: toPattern(url), methods: [method].flat() })
  })
  return {
    methodsOf(path) {
      const named = routes.filter(({ url }) => url === path)
      // What has a name of its own is not one of those that have none.
      const found = named.length > 0 ? named : routes.filter(({ pattern }) => pattern.test(path))
      return [...new Set(found.flatMap(({ methods }) => methods))]
    },
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
