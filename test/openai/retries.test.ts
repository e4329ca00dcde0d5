import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { echoes, hangs, holdsBack, says, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let parley: TestServer
const start = (env: Record<string, string> = {}) =>
  startServer({ PROVIDERS: JSON.stringify({ lab: { base_url: upstream.url } }), ...env })
beforeAll(async () => {
  upstream = await startUpstream()
  parley = await start()
})
afterAll(async () => {
  await parley.stop()
  await upstream.stop()
})

const user = (content: string) => ({ role: 'user', content })
const tries = (count: number) => ({ 'x-stainless-retry-count': String(count) })
const askedOf = (name: string) => upstream.requests.filter(({ model }) => model === name)

/** A request whose client can leave before it is answered. */
function sent(path: string, body: object, headers: Record<string, string>) {
  const gone = new AbortController()
  const answer = fetch(`${parley.url}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
    signal: gone.signal,
  }).catch(() => undefined)
  return {
    async leave() {
      gone.abort()
      await answer
    },
  }
}

describe('a client that only counts its tries', () => {
  test('is answered anew where its answer was cancelled because it was away for long', async () => {
    upstream.behaves('away', hangs(), echoes())
    const body = { model: 'lab/away', messages: [user('Hi')] }
    const first = sent('/v1/chat/completions', body, tries(0))
    const { closed } = await upstream.asked('away')
    await first.leave()
    await closed
    const again = await parley.request('POST', '/v1/chat/completions', body, tries(1))
    expect([again.status, again.body.choices?.[0].message.content]).toEqual([200, 'You said: Hi'])
  })

  test('and says the same once more is not answered with what was said before, however busy it was', async () => {
    const small = await start({ MAX_STREAMS: '1' })
    const { behaviour, goOn } = holdsBack(['x'], ['y'])
    upstream.behaves('joke', says(['old']), says(['new']))
    upstream.behaves('busy', behaviour)
    const body = { model: 'lab/joke', stream: true, messages: [user('A joke')] }
    const ask = (count: number) => small.request('POST', '/v1/chat/completions', body, tries(count))
    await ask(0)
    // There once its first piece is.
    const other = await fetch(`${small.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ ...body, model: 'lab/busy' }),
      headers: { 'content-type': 'application/json' },
    })
    expect((await ask(0)).status).toBe(503)
    goOn()
    await other.text()
    const again = await until('free', async () => {
      const answer = await ask(1)
      return answer.status !== 503 && answer
    })
    await small.stop()
    expect(again.body).toContain('new')
  })

  test('gets the answer that is being made, though its like was refused meanwhile', async () => {
    const { behaviour, goOn } = holdsBack(['one '], ['two'])
    upstream.behaves('twice', behaviour, echoes())
    const conversation: string = (await parley.post('/v1/conversations', {})).body.id
    const uuid = conversation.slice(5).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    await parley.request('PATCH', `/v1/interactions/${uuid}`, { on_busy: 'reject' })
    const body = { model: 'lab/twice', input: 'Hi', conversation }
    const first = sent('/v1/responses', body, tries(0))
    await upstream.asked('twice')
    expect((await parley.request('POST', '/v1/responses', body, tries(0))).status).toBe(409)
    await first.leave()
    const again = parley.request('POST', '/v1/responses', body, tries(1))
    goOn()
    expect((await again).body).toMatchObject({ status: 'completed' })
    expect(askedOf('twice')).toHaveLength(1)
  })
})

test('a client that leaves while its question is being stored has nobody answer it', async () => {
  upstream.behaves('left early', hangs())
  const { hostname, port } = new URL(parley.url)
  const body = JSON.stringify({ model: 'lab/left early', messages: [user('Hi')] })
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\n`
  for (let count = 0; count < 40; count += 1) {
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    socket.end(`${head}content-length: ${body.length}\r\n\r\n${body}`)
    // As much later as it takes to look at something else, so that some leave before, and some after it is stored.
    for (let looks = 0; looks < count % 4; looks += 1) await parley.get('/healthz')
    socket.destroy()
  }
  await until('nobody is answered', async () => {
    const states = ['queued', 'in_progress'].map(async (status) => {
      const { data } = (await parley.get(`/v1/replies?status=${status}&limit=100`)).body
      return data.filter(({ model }: Json) => model === 'lab/left early').length
    })
    return (await Promise.all(states)).every((count) => count === 0)
  })
})

test('a response that is refused because too many streams are open is not made', async () => {
  const small = await start({ MAX_STREAMS: '1' })
  const { behaviour, goOn } = holdsBack(['one '], ['two'])
  upstream.behaves('crowd', behaviour)
  const body = { model: 'lab/crowd', input: 'Hi', stream: true }
  const asking = Array.from({ length: 8 }, () => small.post('/v1/responses', body))
  await upstream.asked('crowd')
  goOn()
  const answers = await Promise.all(asking)
  const made = answers.filter(({ status }) => status === 200).length
  const stored = (await small.get('/v1/interactions')).body.data.length
  await small.stop()
  expect(stored).toBe(made)
})
