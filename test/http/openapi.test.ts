import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nobody } from '../support/patterns.ts'
import { createSchemaCheck, type OpenApi, type Operation, operationsOf, resolve } from '../support/openapi.ts'
import { startServer, type TestServer } from '../support/server.ts'

let parley: TestServer
let openapi: OpenApi
let operations: Operation[]
beforeAll(async () => {
  parley = await startServer()
  openapi = (await parley.get('/openapi.json')).body
  operations = operationsOf(openapi)
})
afterAll(() => parley.stop())

const nameOf = ({ method, path }: Operation) => `${method} ${path}`

/** Whether its path is that one, or has a parameter where that one has a word. */
const matches = (operation: Operation, path: string) =>
  new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path)

/** Whether it is of the door that answers in OpenAI's shapes. */
const isOpenAi = ({ path }: Operation) =>
  /^\/v1\/(responses|conversations|chat|embeddings|models)(\/|$)/.test(path)

/** Every object within `value`. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield value as Record<string, unknown>
  for (const inner of Object.values(value)) yield* objectsIn(inner)
}

describe('the reference', () => {
  test('is an OpenAPI 3.1 document', () => {
    expect(openapi.openapi).toMatch(/^3\.1\.\d$/)
    expect(openapi.info).toMatchObject({ title: 'Parley', version: expect.any(String) })
    const known = ['openapi', 'info', 'servers', 'paths', 'components', 'security', 'tags']
    expect(Object.keys(openapi).filter((key) => !known.includes(key))).toEqual([])
    expect(new Set(openapi.tags.map(({ name }) => name)).size).toBe(openapi.tags.length)
  })

  test('has every route of every door', () => {
    expect(operations.map(nameOf).toSorted()).toEqual([
      'DELETE /v1/chat/completions/{id}',
      'DELETE /v1/conversations/{id}',
      'DELETE /v1/conversations/{id}/items/{item}',
      'DELETE /v1/interactions/{id}',
      'DELETE /v1/messages/{id}',
      'DELETE /v1/responses/{id}',
      'GET /healthz',
      'GET /interactions/',
      'GET /interactions/{id}/messages/',
      'GET /readyz',
      'GET /v1/chat/completions',
      'GET /v1/chat/completions/{id}',
      'GET /v1/chat/completions/{id}/messages',
      'GET /v1/conversations',
      'GET /v1/conversations/{id}',
      'GET /v1/conversations/{id}/items',
      'GET /v1/conversations/{id}/items/{item}',
      'GET /v1/interactions',
      'GET /v1/interactions/{id}',
      'GET /v1/interactions/{id}/branches',
      'GET /v1/interactions/{id}/events',
      'GET /v1/interactions/{id}/messages',
      'GET /v1/messages/{id}',
      'GET /v1/messages/{id}/events',
      'GET /v1/models',
      'GET /v1/models/{id}',
      'GET /v1/replies',
      'GET /v1/responses',
      'GET /v1/responses/{id}',
      'GET /v1/responses/{id}/input_items',
      'PATCH /v1/interactions/{id}',
      'PATCH /v1/messages/{id}',
      'POST /interactions/',
      'POST /interactions/{id}/messages/',
      'POST /v1/chat/completions',
      'POST /v1/chat/completions/{id}',
      'POST /v1/conversations',
      'POST /v1/conversations/{id}',
      'POST /v1/conversations/{id}/items',
      'POST /v1/conversations/{id}/items/{item}',
      'POST /v1/embeddings',
      'POST /v1/interactions',
      'POST /v1/interactions/{id}/fork',
      'POST /v1/interactions/{id}/messages',
      'POST /v1/messages/{id}/cancel',
      'POST /v1/messages/{id}/edit',
      'POST /v1/messages/{id}/regenerate',
      'POST /v1/messages/{id}/requeue',
      'POST /v1/replies/requeue',
      'POST /v1/responses',
      'POST /v1/responses/compact',
      'POST /v1/responses/input_tokens',
      'POST /v1/responses/{id}/cancel',
    ])
  })

  test('has all the methods that the server answers to, and no other', async () => {
    for (const path of Object.keys(openapi.paths)) {
      const { headers } = await parley.request('PROPFIND', path.replace(/\{\w+\}/g, nobody))
      const answered = headers
        .get('allow')
        ?.split(', ')
        .filter((method) => method !== 'HEAD')
      // `/v1/responses/compact` could be one of the responses, too.
      const described = operations.filter((operation) => matches(operation, path)).map(({ method }) => method)
      expect(answered?.toSorted(), path).toEqual([...new Set(described)].toSorted())
    }
  })

  test('says of every operation what it does and under which heading it stands', () => {
    const headings = openapi.tags.map(({ name }) => name)
    for (const operation of operations) {
      expect(operation.summary, nameOf(operation)).toMatch(/\w{3}/)
      expect(headings, nameOf(operation)).toContain(operation.tags?.[0])
    }
  })

  test('describes the parameters of each path, and each parameter once', () => {
    for (const operation of operations) {
      const { path, parameters = [] } = operation
      const inPath = parameters.filter((parameter) => parameter.in === 'path')
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(
        inPath.map(({ name }) => name),
        nameOf(operation),
      ).toEqual(named)
      expect(
        inPath.every(({ required }) => required),
        nameOf(operation),
      ).toBe(true)
      const all = parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
      expect(new Set(all).size, nameOf(operation)).toBe(all.length)
    }
  })

  test('describes every answer', () => {
    for (const operation of operations) {
      for (const [status, answer] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[2-5]\d\d$/)
        expect(answer.description, `${nameOf(operation)} ${status}`).toMatch(/\w{2}/)
        expect(answer.description).not.toBe('Default Response')
        if (status !== '204') expect(Object.keys(answer.content ?? {}), nameOf(operation)).not.toEqual([])
      }
    }
  })

  test('lists for every operation what it can be refused with', () => {
    for (const operation of operations) {
      const statuses = Object.keys(operation.responses).map(Number)
      const expected = [400, 421, 431, 500]
      if (operation.tags?.[0] !== 'Health') expected.push(401, isOpenAi(operation) ? 400 : 422, 503)
      if (operation.path.includes('{id}')) expected.push(404)
      if (operation.requestBody) expected.push(413, 415, 507)
      if (nameOf(operation) === 'PATCH /v1/messages/{id}') expected.push(409)
      if (operation.path.endsWith('/events')) expected.push(410)
      expect(statuses, nameOf(operation)).toEqual(expect.arrayContaining(expected))
    }
  })

  test('gives problems under /v1, and the shapes of the other doors there', () => {
    for (const operation of operations) {
      const isProblem = !operation.path.startsWith('/interactions') && !isOpenAi(operation)
      const type = isProblem ? 'application/problem+json' : 'application/json'
      for (const [status, { content }] of Object.entries(operation.responses)) {
        if (Number(status) >= 400) expect(Object.keys(content ?? {}), nameOf(operation)).toEqual([type])
      }
    }
  })

  test('says where a key is needed', () => {
    expect(Object.keys(openapi.components.securitySchemes)).toEqual(['bearer'])
    expect(openapi.security).toContainEqual({ bearer: [] })
    const open = operations.filter(({ security }) => security?.length === 0)
    expect(open.map(({ path }) => path)).toEqual(['/healthz', '/readyz'])
  })

  test('has only schemas that are valid, lead somewhere and are used', () => {
    const checkSchema = createSchemaCheck()
    for (const [name, schema] of Object.entries(openapi.components.schemas)) {
      expect(checkSchema(schema), name).toBeUndefined()
    }
    for (const media of objectsIn(openapi.paths)) {
      if (media['schema'] !== undefined) expect(checkSchema(media['schema'])).toBeUndefined()
    }
    const references = [...objectsIn(openapi)].filter((each) => typeof each['$ref'] === 'string')
    for (const reference of references) resolve(openapi, reference)
    const used = new Set(references.map((reference) => String(reference['$ref']).split('/').at(-1)))
    expect(Object.keys(openapi.components.schemas).filter((name) => !used.has(name))).toEqual([])
  })

  test('says which bodies may be left out', () => {
    const bodies = operations.filter(({ requestBody }) => requestBody)
    const optional = bodies.filter(({ requestBody }) => requestBody?.required !== true)
    expect(optional.map(nameOf).toSorted()).toEqual([
      'POST /v1/conversations',
      'POST /v1/interactions',
      'POST /v1/interactions/{id}/fork',
      'POST /v1/messages/{id}/regenerate',
      'POST /v1/replies/requeue',
    ])
  })
})
