import { afterAll, beforeAll, expect, test } from 'vitest'
import { spawnServer, type ServerProcess } from '../support/process.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { speaks, vendorWires } from '../support/vendor-wires.ts'

const [, anthropic] = vendorWires
const hook = new URL('../support/report-loading.ts', import.meta.url).pathname

let upstream: Upstream
let server: ServerProcess

beforeAll(async () => {
  upstream = await startUpstream()
  const { origin } = new URL(upstream.url)
  const env = Object.assign({}, ...vendorWires.map((wire) => wire.env(origin))) as Record<string, string>
  server = await spawnServer(env, ['--import', hook])
})
afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

/** The vendors whose packages were loaded. */
function loaded(): Set<string> {
  const vendors = server.complaints.join('').matchAll(/loads (.+)/g)
  return new Set([...vendors].map(([, vendor = '']) => vendor).filter((name) => !name.startsWith('provider')))
}

test("a vendor's package is loaded when a model of it is asked for the first time, and no other", async () => {
  await server.say(await server.begin({ model: 'builtin/eliza' }), 'Hello')
  expect((await server.get('/v1/models')).body.data.length).toBeGreaterThan(0)
  expect(loaded()).toEqual(new Set())
  // The hook works: what all vendors share is loaded from the start.
  expect(server.complaints.join('')).toContain('loads provider\n')

  if (!anthropic) throw new Error('there is no such wire')
  upstream.behaves('claude', speaks(anthropic, ['Good ', 'day']))
  const { reply } = await server.say(await server.begin({ model: 'anthropic/claude' }), 'Hello')
  expect(reply.text).toBe('Good day')
  expect(loaded()).toEqual(new Set(['anthropic']))
})
