import { spawn as spawnProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createClient, type EventReader } from '../support/client.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { mainFile, type ServerProcess, spawnServer } from '../support/process.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { fallsSilentAfter, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let database: TestDatabase
let server: ServerProcess
let next: TestServer | undefined

beforeEach(async () => {
  upstream = await startUpstream()
  database = await createDatabase()
})

afterEach(async () => {
  await server.remove()
  await next?.stop()
  next = undefined
  await database.remove()
  await upstream.stop()
})

const settings = () => ({
  DATABASE_URL: database.url,
  OPENAI_BASE_URL: upstream.url,
  DEFAULT_MODEL: 'openai/model',
})

async function spawn(env: Record<string, string>) {
  server = await spawnServer({ ...settings(), ...env })
}

/** The next server on the same data; how it stops matters no more. */
async function startNext(): Promise<TestServer> {
  next = await startServer(settings())
  return next
}

/** Asks, and resolves when the first token of the answer has come. */
async function ask() {
  const id = await server.begin()
  const { body } = await server.post(`/v1/interactions/${id}/messages`, { content: 'Hello' })
  const path = `/v1/messages/${body.reply.id}`
  const reader = await server.open(`${path}/events`)
  await seen(reader, 'text.delta')
  return { path, reader }
}

async function seen({ events }: EventReader, type: string) {
  for (;;) {
    const { value, done } = await events.next()
    if (done) throw new Error(`the stream ended without ${type}`)
    if (value.type === type) return value
  }
}

/** The reply, once the next server has ended it. */
async function ended(path: string) {
  const { events, get } = await startNext()
  await events(`${path}/events`)
  return (await get(path)).body
}

const well = { code: 0, signal: null }

describe('a server that is told to stop', () => {
  test('gives an answer in the making its time to be finished', async () => {
    upstream.behaves('model', says(['One ', 'two ', 'three'], { pauseMs: 100 }))
    await spawn({ STOP_GRACE_MS: '10000' })
    const { path } = await ask()
    expect(await server.end('SIGTERM')).toEqual(well)
    const { get } = await startNext()
    expect((await get(path)).body).toMatchObject({
      status: 'completed',
      text: 'One two three',
      attempt: 1,
    })
  })

  test('leaves an answer that takes longer to its next start', async () => {
    upstream.behaves('model', fallsSilentAfter(['One ']), says(['One ', 'two']))
    await spawn({ STOP_GRACE_MS: '50' })
    const { path } = await ask()
    expect(await server.end('SIGINT')).toEqual(well)
    expect(await ended(path)).toMatchObject({ status: 'completed', text: 'One two', attempt: 2 })
  })

  test('tells readers when to come back', async () => {
    upstream.behaves('model', fallsSilentAfter(['One ']))
    await spawn({ STOP_GRACE_MS: '0' })
    const { path, reader } = await ask()
    const raw = await fetch(`${server.url}${path}/events`)
    await server.end('SIGTERM')
    expect((await seen(reader, 'stream.closing')).data).toEqual({ reconnect_ms: 500 })
    expect(await raw.text()).toMatch(/\n\nretry: 500\nevent: stream\.closing\n/)
  })

  test('does not wait for clients that hold a connection, or never finish their request', async () => {
    upstream.behaves('model', fallsSilentAfter(['One ']))
    await spawn({ STOP_GRACE_MS: '0' })
    await ask()
    const { hostname, port } = new URL(server.url)
    const idle = connect(Number(port), hostname)
    const unfinished = connect(Number(port), hostname)
    // The server may reset them: that is how it does not wait.
    for (const socket of [idle, unfinished]) socket.on('error', () => {})
    await Promise.all([once(idle, 'connect'), once(unfinished, 'connect')])
    unfinished.write('POST /v1/interactions HTTP/1.1\r\nhost: localhost\r\n')
    unfinished.write('content-type: application/json\r\ncontent-length: 100\r\n\r\n{"title"')
    await server.get('/healthz')
    expect(await server.end('SIGTERM')).toEqual(well)
    idle.destroy()
    unfinished.destroy()
  })

  test('a second time ends at once, and takes the answer up again at its next start', async () => {
    upstream.behaves('model', fallsSilentAfter(['One ']), says(['One ', 'two']))
    await spawn({ STOP_GRACE_MS: '3600000' })
    const { path, reader } = await ask()
    server.send('SIGTERM')
    await seen(reader, 'stream.closing')
    expect(await server.end('SIGTERM')).toEqual({ code: 1, signal: null })
    expect(await ended(path)).toMatchObject({ status: 'completed', text: 'One two', attempt: 2 })
  })
})

describe('a server whose log nobody takes', () => {
  test('ends where its reader has gone', async () => {
    await spawn({})
    server.leaveLog()
    expect(await server.end('SIGTERM')).toEqual(well)
  })

  test('answers, and ends, where the disk that it is written to is full', async () => {
    const port = await freePort()
    const env = { ...process.env, ...settings(), PORT: String(port), DETECT: 'off', LOG_FORMAT: 'json' }
    const full = openSync('/dev/full', 'w')
    const child = spawnProcess(process.execPath, [mainFile], { env, stdio: ['ignore', full, 'inherit'] })
    closeSync(full)
    onTestFinished(() => void child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    const { get, say, begin } = createClient(() => `http://127.0.0.1:${port}`)
    await until(
      'up',
      () =>
        get('/readyz').then(
          ({ status }) => status === 200,
          () => false,
        ),
      15_000,
    )
    upstream.behaves('model', says(['One']))
    expect((await say(await begin(), 'Hello')).reply.text).toBe('One')
    child.kill('SIGTERM')
    await exited
  })
})
