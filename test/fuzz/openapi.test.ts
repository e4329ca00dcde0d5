import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { type Call, callsOf } from '../support/fuzz/calls.ts'
import { createKnownIds } from '../support/fuzz/known-ids.ts'
import { createSender } from '../support/fuzz/send.ts'
import type { Answer, Json } from '../support/client.ts'
import { createAnswerCheck, type OpenApi, type Operation, operationsOf } from '../support/openapi.ts'
import { startServer } from '../support/server.ts'

/** Calls of each operation. For a long run: `FUZZ_RUNS=20000 npx vitest run test/fuzz`. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 60)
const timeoutMs = 20_000 + runs * 100

const errors: string[] = []
const parley = await startServer({}, (line) => {
  if (/"level":(50|60),/.test(line)) errors.push(line)
})
const openapi: OpenApi = (await parley.get('/openapi.json')).body
const check = createAnswerCheck(openapi)
const sender = createSender(parley.url)
const ids = createKnownIds(parley)

afterAll(async () => {
  sender.close()
  await parley.stop()
})

async function make(operation: Operation, { id, query, headers, body }: Call): Promise<Answer<Json>> {
  const { method, path } = operation
  const step = 'raw' in id ? id.raw : await ids.pick(operation, id.known)
  const item = 'raw' in id ? id.raw : await ids.pickItem(operation, step, id.known)
  const target = path.replace('{id}', step).replace('{item}', item)
  const filled = await ids.fill(target, query)
  return sender.send(method, filled === '' ? target : `${target}?${filled}`, headers, body)
}

/** What an answer says is wrong, one sentence each. */
function fieldsNamed({ status, body }: Answer<Json>): unknown[] {
  // OpenAI's clients show the message alone.
  if (body.error) return [body.error.message]
  if (Array.isArray(body.detail)) return body.detail.map(({ loc, msg }: Json) => loc.length > 0 && msg)
  if (body.code === undefined) return status === 400 ? [body.detail] : []
  return (body.errors ?? []).map((error: Json) => error.in && error.message)
}

function judge(operation: Operation, answer: Answer<Json>) {
  const { status, headers, body } = answer
  expect(status, JSON.stringify(body)).toBeLessThan(500)
  expect(headers.get('x-request-id')).toMatch(/\w/)
  // A path without its id is another path.
  if (status === 307) return expect(headers.get('location')).toMatch(/^\/[^/]/)
  if (status === 405) return expect(headers.get('allow')).toMatch(/\w/)
  const contentType = headers.get('content-type') ?? ''
  const wrong = check(operation, { status, contentType, body })
  expect(wrong, `${operation.method} ${operation.path}: ${JSON.stringify(body)}`).toBeUndefined()
  if (status !== 400 && status !== 422) return undefined
  const named = fieldsNamed(answer)
  expect(named.length, JSON.stringify(body)).toBeGreaterThan(0)
  return expect(named.every((each) => typeof each === 'string' && each !== '')).toBe(true)
}

describe('whatever is sent to it is answered as the reference says', () => {
  test.each(operationsOf(openapi))(
    '$method $path',
    async (operation) => {
      const property = fc.asyncProperty(callsOf(openapi, operation), async (call) => {
        judge(operation, await make(operation, call))
      })
      await fc.assert(property, { numRuns: runs })
      await ids.clear()
      expect(errors).toEqual([])
    },
    timeoutMs,
  )

  test(
    'also when all of it comes at once',
    async () => {
      const anyCall = fc.oneof(
        ...operationsOf(openapi).map((operation) =>
          callsOf(openapi, operation).map((call) => ({ operation, call })),
        ),
      )
      const property = fc.asyncProperty(
        fc.array(anyCall, { minLength: 40, maxLength: 60 }),
        async (calls) => {
          const answers = await Promise.all(calls.map(({ operation, call }) => make(operation, call)))
          for (const [at, { operation }] of calls.entries()) judge(operation, answers[at] as Answer<Json>)
        },
      )
      // It does not come again the same way: there is nothing to be had from making it smaller.
      await fc.assert(property, { numRuns: Math.ceil(runs / 10), endOnFailure: true })
      expect(errors).toEqual([])
    },
    timeoutMs,
  )

  test('and the server is none the worse for it', async () => {
    expect((await parley.get('/readyz')).status).toBe(200)
    const { message, reply } = await parley.say(await parley.begin(), 'Hello')
    expect([message.position, reply.status]).toEqual([1, 'completed'])
  })
})
