import { OpenAI } from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { fallsSilentAfter, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let server: ServerProcess
beforeAll(async () => {
  upstream = await startUpstream()
  server = await spawnServer({ OPENAI_BASE_URL: upstream.url })
})
afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

test('a completion that is not kept survives a kill: whoever asks for it again gets it, made once', async () => {
  upstream.behaves('killed', fallsSilentAfter(['Half']), says(['The whole']))
  const ask = () =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 }).chat.completions.create(
      { model: 'openai/killed', messages: [{ role: 'user', content: 'Hi' }], stream: true },
      { headers: { 'idempotency-key': 'one answer' } },
    )
  const told: string[] = []
  const read = async () => {
    for await (const { id, choices } of await ask()) {
      told.push(id)
      if (choices[0]?.delta.content === 'Half') await server.end('SIGKILL')
    }
  }
  await expect(read()).rejects.toThrow()
  await server.start()
  const chunks = await Array.fromAsync(await ask())
  expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('The whole')
  expect(new Set([...told, ...chunks.map(({ id }) => id)]).size).toBe(1)
  await Array.fromAsync(await ask())
  expect(upstream.requests.filter(({ model }) => model === 'killed')).toHaveLength(2)
})
