import { STATUS_CODES } from 'node:http'

interface Document {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, unknown> }
}
interface Operation {
  requestBody?: { required?: boolean; content?: Record<string, { schema?: { default?: unknown } }> }
  responses?: Record<string, { description?: string }>
}

/** Says in the generated reference what its generator can't know, and leaves out what nothing refers to. */
export function tidyOpenapi<Given extends object>(generated: Given): Given {
  const document = structuredClone(generated) as Document
  for (const operation of Object.values(document.paths ?? {}).flatMap((path) => Object.values(path))) {
    const { requestBody, responses = {} } = operation
    // A body that has a default may be left out.
    if (requestBody?.content?.['application/json']?.schema?.default !== undefined)
      requestBody.required = false
    for (const [status, response] of Object.entries(responses)) {
      if (response.description === 'Default Response') response.description = STATUS_CODES[status] ?? status
    }
  }
  const schemas = document.components?.schemas ?? {}
  const used = reachable(JSON.stringify(document.paths), schemas)
  for (const name of Object.keys(schemas)) if (!used.has(name)) delete schemas[name]
  return document as Given
}

/** The names of the schemas that `text` refers to, directly or through another. */
function reachable(text: string, schemas: Record<string, unknown>, found = new Set<string>()): Set<string> {
  for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    if (found.has(name)) continue
    found.add(name)
    reachable(JSON.stringify(schemas[name] ?? null), schemas, found)
  }
  return found
}
