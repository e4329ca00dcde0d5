import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, type StreamEvent, textOf } from '../support/client.ts'
import { type ServerProcess, spawnServer } from '../support/process.ts'
import { until } from '../support/until.ts'
import {
  begin,
  type Behaviour,
  breaksAfter,
  fallsSilentAfter,
  hangs,
  refuses,
  says,
  sendChunk,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

// All of it is asked for at once and shares its kills: a start is what takes long.

let upstream: Upstream
let server: ServerProcess

interface Asked {
  id: string
  /** What its reader had when the server was killed. */
  seen: StreamEvent[]
}

const asked = new Map<string, Asked>()

const untilThen = fallsSilentAfter(['One ', 'two '])
/** The call is told first, so that it is there when its text is. */
const callsThen: Behaviour = (response) => {
  begin(response)
  sendChunk(response, {
    tool_calls: [{ index: 0, id: 'a', function: { name: 'look', arguments: '{"at"' } }],
  })
  sendChunk(response, { content: 'One ' })
}
const continues = { on_crash: 'continue' }

/** By its name: what is posted beside its text, what was said when the server was killed, and how it goes on. */
const cases: Record<string, { more: object; said: string; behaviours: Behaviour[] }> = {
  'vllm/goes-on': { more: continues, said: 'One two ', behaviours: [untilThen, says([' three', ' four'])] },
  'prefill/goes-on-too': {
    more: continues,
    said: 'One two ',
    behaviours: [untilThen, says(['three ', 'four'])],
  },
  'vllm/breaks': { more: continues, said: 'One two ', behaviours: [untilThen, breaksAfter(['three '])] },
  'vllm/refuses': {
    more: continues,
    said: 'One two ',
    behaviours: [untilThen, refuses(400), says(['Anew'])],
  },
  'vllm/away': {
    more: continues,
    said: 'One two ',
    behaviours: [untilThen, refuses(503), says(['three'])],
  },
  'vllm/twice': {
    more: { ...continues, max_attempts: 2 },
    said: 'One two ',
    behaviours: [untilThen, fallsSilentAfter(['three '])],
  },
  'vllm/listed': {
    more: { ...continues, model: ['vllm/listed', 'plain/instead'] },
    said: 'One two ',
    behaviours: [untilThen, refuses(503), says(['three'])],
  },
  'vllm/listed-refuses': {
    more: { ...continues, model: ['vllm/listed-refuses', 'plain/instead'] },
    said: 'One two ',
    behaviours: [untilThen, refuses(401)],
  },
  'vllm/listed-silent': {
    more: { ...continues, model: ['vllm/listed-silent', 'plain/other'] },
    said: '',
    behaviours: [hangs(), refuses(503)],
  },
  'vllm/calls': { more: continues, said: 'One ', behaviours: [callsThen, says(['Anew'])] },
  'vllm/silent': { more: continues, said: '', behaviours: [hangs(), says(['Anew'])] },
  'plain/cannot': { more: continues, said: 'One two ', behaviours: [untilThen, says(['Anew'])] },
  'plain/retries': { more: {}, said: 'One two ', behaviours: [untilThen, says(['Anew'])] },
  'plain/once': { more: { max_attempts: 1 }, said: 'One two ', behaviours: [untilThen, says(['Anew'])] },
  'plain/fails': { more: { on_crash: 'fail' }, said: 'One two ', behaviours: [untilThen, says(['Anew'])] },
  'plain/fails-silent': { more: { on_crash: 'fail' }, said: '', behaviours: [hangs(), says(['Anew'])] },
}

async function ask(name: string, more: object, said: string): Promise<void> {
  const id = await server.begin({ model: name })
  const posted = await server.post(`/v1/interactions/${id}/messages`, { content: 'Count', ...more })
  const { reply } = posted.body
  const seen = await readUntil(reply.id, said)
  asked.set(name, { id: reply.id, seen })
}

/** What a reader has been told by the time that it has read `said`; it has at least seen the beginning. */
async function readUntil(id: string, said: string): Promise<StreamEvent[]> {
  const { events, close } = await server.open(`/v1/messages/${id}/events`)
  const seen: StreamEvent[] = []
  for await (const event of events) {
    seen.push(event)
    if (textOf(seen).length >= said.length) break
  }
  close()
  return seen
}

const modelOf = (name: string) => name.slice(name.indexOf('/') + 1)

beforeAll(async () => {
  upstream = await startUpstream()
  const base = { base_url: upstream.url }
  server = await spawnServer({
    PROVIDERS: JSON.stringify({
      vllm: { ...base, continues: 'vllm' },
      prefill: { ...base, continues: 'prefill' },
      plain: base,
    }),
    ELIZA_TOKEN_MS: '25',
    STOP_GRACE_MS: '0',
  })
  upstream.behaves('other', says(['Instead']))
  for (const [name, { behaviours }] of Object.entries(cases)) upstream.behaves(modelOf(name), ...behaviours)
  await Promise.all([
    ...Object.entries(cases).map(([name, { more, said }]) => ask(name, more, said)),
    ask('builtin/eliza', continues, '(I am ELIZA, '),
  ])
  await server.end('SIGKILL')
  await server.start()
  const twice = asked.get('vllm/twice')
  await until('said more', async () => textOf(await readUntil(twice?.id ?? '', 'One two three ')) !== '')
  const others = [...asked.keys()].filter((name) => name !== 'vllm/twice')
  await Promise.all(others.map((name) => ended(asked.get(name)?.id ?? '')))
  await server.end('SIGKILL')
  await server.start()
}, 60_000)

afterAll(async () => {
  await server.remove()
  await upstream.stop()
})

const ended = (id: string) => server.events(`/v1/messages/${id}/events`)

/** The reply of a case when it has ended, all that was told of it, and what the provider was asked. */
async function outcomeOf(name: string) {
  const { id, seen } = asked.get(name) as Asked
  const last = seen.at(-1)?.id ?? 0
  const events = await ended(id)
  const resumed = await server.events(`/v1/messages/${id}/events?after=${last}`)
  // Nothing twice, nothing missing, for who was there before and for who comes late.
  expect([...seen, ...resumed]).toEqual(events)
  expect(events.map((event) => event.id)).toEqual(events.map((_, index) => index + 1))
  const { body: reply }: { body: Json } = await server.get(`/v1/messages/${id}`)
  expect(textOf(events)).toBe(reply.text)
  const types = events.map(({ type }) => type).filter((type) => type !== 'text.delta')
  const requests = upstream.requests.filter(({ model }) => model === modelOf(name))
  return { reply, types, requests }
}

describe('after a crash an answer that continues', () => {
  test.each(['vllm/goes-on', 'prefill/goes-on-too'])('goes on where it was: %s', async (name) => {
    const { reply, types } = await outcomeOf(name)
    expect(types).toEqual(['reply.started', 'reply.resumed', 'reply.completed'])
    expect(reply).toMatchObject({ status: 'completed', text: 'One two three four', attempt: 2 })
  })

  test('gives the model what it said', async () => {
    const { requests } = await outcomeOf('vllm/breaks')
    expect(requests).toHaveLength(2)
    expect(requests[1]?.body).toMatchObject({
      messages: [
        { role: 'user', content: 'Count' },
        { role: 'assistant', content: 'One two' },
      ],
      continue_final_message: true,
      add_generation_prompt: false,
    })
  })

  test('says the rest of what it would have said, with builtin/eliza', async () => {
    const { reply, types } = await outcomeOf('builtin/eliza')
    expect(types).toEqual(['reply.started', 'reply.resumed', 'reply.completed'])
    const { reply: undisturbed } = await server.say(await server.begin({ model: 'builtin/eliza' }), 'Count')
    expect(reply.text).toBe(undisturbed.text)
  })

  test('keeps all of its text where the provider breaks off again', async () => {
    const broken = await outcomeOf('vllm/breaks')
    expect(broken.types).toEqual(['reply.started', 'reply.resumed', 'reply.incomplete'])
    expect(broken.reply).toMatchObject({ text: 'One two three ', error: { code: 'provider_interrupted' } })
  })

  test('begins anew where its model refuses to go on', async () => {
    const { reply, types, requests } = await outcomeOf('vllm/refuses')
    expect(types).toEqual([
      'reply.started',
      'reply.resumed',
      'reply.retrying',
      'reply.restarted',
      'reply.completed',
    ])
    expect(reply).toMatchObject({ status: 'completed', text: 'Anew', attempt: 3 })
    expect(reply.tried).toEqual([
      { model: 'vllm/refuses', code: 'provider_rejected', at: expect.any(String) },
    ])
    expect(requests[2]?.body.messages).toEqual([{ role: 'user', content: 'Count' }])
  })

  test('waits for a provider that is away, and goes on then', async () => {
    const { reply, types } = await outcomeOf('vllm/away')
    expect(types).toEqual([
      'reply.started',
      'reply.resumed',
      'reply.retrying',
      'reply.resumed',
      'reply.completed',
    ])
    expect(reply).toMatchObject({ status: 'completed', text: 'One two three' })
  })

  test('is for its own model alone, of a list, even where that fails', async () => {
    const { reply, types } = await outcomeOf('vllm/listed')
    const again = ['reply.started', 'reply.resumed', 'reply.retrying', 'reply.resumed', 'reply.completed']
    expect(types).toEqual(again)
    expect(reply).toMatchObject({ status: 'completed', text: 'One two three', model: 'vllm/listed' })
    const refused = await outcomeOf('vllm/listed-refuses')
    expect(refused.types).toEqual(['reply.started', 'reply.resumed', 'reply.incomplete'])
    expect(refused.reply).toMatchObject({ text: 'One two ', error: { code: 'provider_unauthorized' } })
    expect(upstream.requests.filter(({ model }) => model === 'instead')).toEqual([])
  })

  test('is for the next of its list where nothing was said', async () => {
    const { reply, types } = await outcomeOf('vllm/listed-silent')
    const again = ['reply.started', 'reply.restarted', 'reply.retrying', 'reply.restarted', 'reply.completed']
    expect(types).toEqual(again)
    expect(reply).toMatchObject({ status: 'completed', text: 'Instead', model: 'plain/other' })
  })

  test('begins anew where it had begun to call a tool', async () => {
    const { reply, types } = await outcomeOf('vllm/calls')
    expect(types.filter((type) => type.startsWith('reply.'))).toEqual([
      'reply.started',
      'reply.restarted',
      'reply.completed',
    ])
    expect(reply).toMatchObject({ status: 'completed', content: [{ type: 'text', text: 'Anew' }] })
  })

  test('begins anew where its provider cannot go on, or nothing was said', async () => {
    for (const name of ['plain/cannot', 'vllm/silent']) {
      const { reply, types, requests } = await outcomeOf(name)
      expect(types, name).toEqual(['reply.started', 'reply.restarted', 'reply.completed'])
      expect(reply, name).toMatchObject({ status: 'completed', text: 'Anew' })
      expect(requests[1]?.body.messages).toEqual([{ role: 'user', content: 'Count' }])
      expect(requests[1]?.body).not.toHaveProperty('continue_final_message')
    }
  })

  test('is given up after max_attempts, with all that was said in them', async () => {
    const { reply, requests } = await outcomeOf('vllm/twice')
    expect(reply).toMatchObject({ status: 'incomplete', text: 'One two three ', error: { code: 'crashed' } })
    expect(requests).toHaveLength(2)
  })
})

describe('after a crash', () => {
  test('an answer begins anew, if nothing else was said', async () => {
    const { reply, types } = await outcomeOf('plain/retries')
    expect(types).toEqual(['reply.started', 'reply.restarted', 'reply.completed'])
    expect(reply.text).toBe('Anew')
  })

  test('with max_attempts 1 it fails', async () => {
    const { reply, requests } = await outcomeOf('plain/once')
    expect(reply).toMatchObject({ status: 'failed', text: '', error: { code: 'crashed' } })
    expect(requests).toHaveLength(1)
  })

  test('with fail it ends with what was said, and no model is asked again', async () => {
    const { reply, types, requests } = await outcomeOf('plain/fails')
    expect(types).toEqual(['reply.started', 'reply.resumed', 'reply.incomplete'])
    expect(reply).toMatchObject({ status: 'incomplete', text: 'One two ', error: { code: 'crashed' } })
    expect(requests).toHaveLength(1)
  })

  test('with fail it is failed where nothing was said', async () => {
    const { reply, requests } = await outcomeOf('plain/fails-silent')
    expect(reply).toMatchObject({ status: 'failed', text: '', error: { code: 'crashed' } })
    expect(requests).toHaveLength(1)
  })

  test('nothing is counted against what a provider fails, or the other way round', async () => {
    const { body } = await server.get('/v1/replies?limit=100')
    const by = (name: string) => body.data.find(({ id }: Json) => id === asked.get(name)?.id)
    expect(by('vllm/away')).toMatchObject({ crashes: 1, failures: 1, error: null })
    expect(by('vllm/refuses')).toMatchObject({ crashes: 1, failures: 1, error: null })
    expect(by('vllm/twice')).toMatchObject({ crashes: 2, failures: 0, error: { code: 'crashed' } })
  })
})

test('a server that is stopped is no crash: what may be asked again goes on, and what may not ends with what was said', async () => {
  upstream.behaves('stopped', untilThen, says(['Anew']))
  upstream.behaves('stopped-once', untilThen, says(['Anew']))
  upstream.behaves('stopped-silent', hangs(), says(['Anew']))
  await ask('plain/stopped', { max_attempts: 1 }, 'One two ')
  await ask('plain/stopped-once', { on_crash: 'fail' }, 'One two ')
  await ask('plain/stopped-silent', { on_crash: 'fail' }, '')
  await upstream.asked('stopped-silent')
  await ask('builtin/eliza', continues, '(I am ')
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null })
  await server.start()
  expect((await outcomeOf('plain/stopped')).reply).toMatchObject({ status: 'completed', text: 'Anew' })
  const once = await outcomeOf('plain/stopped-once')
  expect(once.types).toEqual(['reply.started', 'reply.incomplete'])
  expect(once.reply).toMatchObject({ text: 'One two ', error: { code: 'crashed' }, attempt: 1 })
  const silent = await outcomeOf('plain/stopped-silent')
  expect(silent.reply).toMatchObject({ status: 'failed', error: { code: 'crashed' }, attempt: 1 })
  expect([once, silent].map(({ requests }) => requests.length)).toEqual([1, 1])
  const { types } = await outcomeOf('builtin/eliza')
  expect(types).toEqual(['reply.started', 'reply.resumed', 'reply.completed'])
  expect(server.complaints).toEqual([])
})
