import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

/** A source file, by its path below `src`, with the files and packages that it imports. */
export interface SourceFile {
  path: string
  room: string
  text: string
  imports: string[]
  packages: string[]
}

const root = new URL('../../src', import.meta.url).pathname

/** Every file of `src`. */
export function readSources(): SourceFile[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|js)$/.test(path))
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      const specifiers = [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, found]) => found ?? '')
      return {
        path,
        room: roomOf(path),
        text,
        imports: specifiers.filter((specifier) => specifier.startsWith('.')).map(resolveFrom(path)),
        packages: specifiers.filter((specifier) => !specifier.startsWith('.')),
      }
    })
}

/** The folder a file lives in; '' for the files directly in `src`. */
export function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : ''
}

function resolveFrom(path: string) {
  return (specifier: string) => relative('.', normalize(join(dirname(path), specifier)))
}

/** The first cycle among `edges`, if there is one. */
export function findCycle(edges: Map<string, Set<string>>): string[] | undefined {
  const done = new Set<string>()
  const visit = (node: string, trail: string[]): string[] | undefined => {
    if (trail.includes(node)) return [...trail.slice(trail.indexOf(node)), node]
    if (done.has(node)) return undefined
    done.add(node)
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next, [...trail, node])
      if (cycle) return cycle
    }
    return undefined
  }
  for (const node of edges.keys()) {
    const cycle = visit(node, [])
    if (cycle) return cycle
  }
  return undefined
}
