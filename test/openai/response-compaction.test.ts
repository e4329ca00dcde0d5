import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import {
  type Behaviour,
  callsTools,
  echoes,
  endsEarlyAfter,
  fallsSilentAfter,
  hangs,
  holdsBack,
  refuses,
  says,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let server: TestServer
let client: OpenAI

beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ OPENAI_BASE_URL: upstream.url })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
afterAll(async () => {
  await server.stop()
  await upstream.stop()
})

type Create = OpenAI.Responses.ResponseCreateParamsNonStreaming
const context_management = [{ type: 'compaction', compact_threshold: 1_000 }]
/** Of more than a thousand tokens. */
const long = 'I like papaya. '.repeat(400)
const sumsUp = says(['Alice likes papaya.'], { usage: { prompt_tokens: 1_500, completion_tokens: 5 } })

let models = 0
/** A model that does these things one after the other. */
function modelThat(...behaviours: Behaviour[]) {
  models += 1
  const name = `sums-up-${models}`
  upstream.behaves(name, ...behaviours)
  const asked = async (count: number) => (await upstream.asked(name, count)).body
  const count = () => upstream.requests.filter(({ model }) => model === name).length
  return { model: `openai/${name}`, asked, count }
}

const digitsOf = (id: string) => /^\w+_(.{8})(.{4})(.{4})(.{4})(.{12})/.exec(id)?.slice(1).join('-') ?? ''

describe('a conversation that has become too long', () => {
  const summary = expect.stringMatching(/summed up:\n\nAlice likes papaya\.$/)

  test('is summed up before it is gone on with, and the summary stands for it from then on', async () => {
    const { model, asked, count } = modelThat(echoes(), sumsUp, echoes())
    const first = await client.responses.create({
      model,
      input: [
        { role: 'developer', content: 'Be kind.' },
        { role: 'user', content: long },
      ],
    })
    const second = await client.responses.create({
      model,
      previous_response_id: first.id,
      input: 'Which fruit?',
      context_management,
      max_output_tokens: 50,
    })
    expect(second.output).toMatchObject([
      { type: 'compaction', id: expect.stringMatching(/^cmp_/), encrypted_content: expect.any(String) },
      { type: 'message', content: [{ text: 'You said: Which fruit?' }] },
    ])
    // What it took to sum up is counted with the answer.
    expect(second.usage).toMatchObject({ input_tokens: 1_507, output_tokens: 8, total_tokens: 1_515 })
    expect(await client.responses.retrieve(second.id)).toEqual(second)

    const summing = await asked(2)
    expect(summing).not.toHaveProperty('max_tokens')
    expect(summing.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user', 'user'])
    expect((await asked(3)).messages).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: summary },
      { role: 'user', content: 'Which fruit?' },
    ])

    // In its place, and in one of its own.
    for (const [index, store] of [true, false].entries()) {
      await client.responses.create({
        model,
        previous_response_id: second.id,
        input: 'Sure?',
        context_management,
        store,
      })
      expect((await asked(4 + index)).messages).toEqual([
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: expect.stringContaining('Alice likes papaya.') },
        { role: 'assistant', content: 'You said: Which fruit?' },
        { role: 'user', content: 'Sure?' },
      ])
    }
    expect(count()).toBe(5)
  })

  test('is told of by a stream, and keeps all that was said', async () => {
    const { model, asked } = modelThat(echoes(), sumsUp, echoes())
    const { id: conversation } = await client.conversations.create({
      items: [{ type: 'message', role: 'user', content: long }],
    })
    await client.responses.create({ model, conversation })
    const stream = await client.responses.create({
      model,
      conversation,
      input: 'Which fruit?',
      context_management,
      stream: true,
    })
    const events = await Array.fromAsync(stream)
    const items = events.flatMap((event) =>
      event.type === 'response.output_item.added' || event.type === 'response.output_item.done'
        ? [`${event.type.slice(21)} ${event.output_index} ${event.item.type}`]
        : [],
    )
    expect(items).toEqual(['added 0 compaction', 'done 0 compaction', 'added 1 message', 'done 1 message'])
    const last = events.at(-1)
    if (last?.type !== 'response.completed') throw new Error('not completed')
    const { output } = await client.responses.retrieve(last.response.id)
    expect(last.response.output).toEqual(output)
    const replayed = await client.responses.retrieve(last.response.id, { stream: true, starting_after: 2 })
    expect(await Array.fromAsync(replayed)).toEqual(events.slice(3))

    const { data } = await client.conversations.items.list(conversation, { order: 'asc' })
    expect(data.map(({ type }) => type)).toEqual(['message', 'message', 'message', 'compaction', 'message'])
    const [, , , compaction] = data
    const named = { conversation_id: conversation }
    expect(await client.conversations.items.retrieve(compaction?.id ?? '', named)).toEqual(compaction)

    // Without its summary the model is shown all of it again.
    await client.conversations.items.delete(compaction?.id ?? '', named)
    await client.responses.create({ model, conversation, input: 'Sure?' })
    expect((await asked(4)).messages).toHaveLength(5)
  })

  test('is gone on with through the native door, which shows the summary', async () => {
    const { model, asked } = modelThat(echoes(), sumsUp, echoes())
    const id = await server.begin({ model })
    await server.say(id, long)
    const response = await client.responses.create({
      conversation: `conv_${id.replaceAll('-', '')}`,
      input: 'Which fruit?',
      context_management,
    })
    const { body: message } = await server.get(`/v1/messages/${digitsOf(response.id)}`)
    expect(message).toMatchObject({
      text: 'You said: Which fruit?',
      content: [
        { type: 'compaction', summary: 'Alice likes papaya.', question: 'Which fruit?' },
        { type: 'text' },
      ],
    })
    const [, code = ''] = /```js\n(.*?)```/s.exec(readFileSync('docs/protocol.md', 'utf8')) ?? []
    const { fold } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
      fold: (message: unknown, event: object) => Record<string, unknown>
    }
    const events = await server.events(`/v1/messages/${message.id}/events`)
    const folded = events.reduce<Record<string, unknown>>((before, event) => fold(before, event), {})
    expect(message).toMatchObject(folded)
    await server.say(id, 'Sure?')
    expect((await asked(4)).messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user'])
  })

  test('is carried by a client that keeps it itself, with all of it or from the summary on', async () => {
    const { model, asked } = modelThat(sumsUp, echoes())
    const input = [
      { role: 'system' as const, content: 'Be kind.' },
      { role: 'user' as const, content: long },
      { role: 'assistant' as const, content: 'Fine.' },
      { role: 'user' as const, content: 'Which fruit?' },
    ]
    const asking = { model, context_management, store: false }
    const { output } = await client.responses.create({ ...asking, input })
    const sure = { role: 'user' as const, content: 'Sure?' }
    const given = { role: 'user', content: expect.stringMatching(/Alice likes papaya\..*Which fruit\?$/s) }
    for (const [index, before] of [input, []].entries()) {
      const whole = [...before, ...output, sure] as Create['input']
      const { output: again } = await client.responses.create({ ...asking, input: whole ?? [] })
      expect(again.map(({ type }) => type)).toEqual(['message'])
      expect((await asked(3 + index)).messages).toEqual([
        { role: 'system', content: 'Be kind.' },
        given,
        { role: 'assistant', content: 'You said: Which fruit?' },
        { role: 'user', content: 'Sure?' },
      ])
    }
  })

  test('is summed up in the middle of a loop of calls, and the question stays', async () => {
    const call = callsTools([{ id: 'call_1', name: 'look', pieces: ['{}'] }])
    const { model, asked } = modelThat(call, sumsUp, echoes())
    const tools = [{ type: 'function' as const, name: 'look', parameters: null, strict: null }]
    const first = await client.responses.create({ model, tools, input: 'Which fruit do I like?' })
    const second = await client.responses.create({
      model,
      tools,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: 'call_1', output: long }],
      context_management,
      tool_choice: 'required',
      text: { format: { type: 'json_object' } },
    })
    expect(second.output[0]).toMatchObject({ type: 'compaction' })
    const summing = await asked(2)
    expect(summing['tool_choice']).toBe('none')
    expect(summing).not.toHaveProperty('response_format')
    expect((await asked(3)).messages).toEqual([
      { role: 'user', content: summary },
      { role: 'user', content: 'Which fruit do I like?' },
    ])
  })
})

describe('a summary that is asked for', () => {
  const input = Array.from({ length: 30 }, (_, n) => [
    { role: 'user' as const, content: `Fact ${n}. ${long}` },
    { role: 'assistant' as const, content: `Noted ${n}.` },
  ]).flat()

  test('is one of all that was said, also by a model that tells no window', async () => {
    const { model, asked } = modelThat(sumsUp)
    await client.responses.compact({ model, input })
    // And the request to sum up.
    expect((await asked(1)).messages).toHaveLength(input.length + 1)
  })

  test('is refused of what does not fit its model', async () => {
    await client.models.list()
    const compacting = client.responses.compact({ model: 'builtin/eliza', input: [...input, ...input] })
    await expect(compacting).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' })
  })

  test.each([
    ['breaks off', endsEarlyAfter(['Alice likes ']), { status: 502, code: 'provider_interrupted' }],
    ['becomes too long', says(['Alice likes '], { reason: 'length' }), { code: 'max_output_tokens' }],
    ['is filtered', says(['Alice '], { reason: 'content_filter' }), { status: 400, code: 'content_filter' }],
  ])('is refused where it %s', async (_, behaviour, refusal) => {
    const { model } = modelThat(behaviour)
    const compacting = client.responses.compact({ model, input: input.slice(0, 2) })
    await expect(compacting).rejects.toMatchObject(refusal)
  })

  test('waits for the answer that it follows, and has it in it', async () => {
    const { behaviour, goOn } = holdsBack(['Half'], [' whole'])
    const { model, asked } = modelThat(behaviour, sumsUp)
    const { id } = await client.responses.create({ model, input: 'Hello', background: true })
    await asked(1)
    const compacting = client.responses.compact({ model, previous_response_id: id })
    await pause(100)
    goOn()
    await compacting
    expect((await asked(2)).messages[1]).toEqual({ role: 'assistant', content: 'Half whole' })
  })

  test('is not asked for where the client left while it waited', async () => {
    const { behaviour, goOn } = holdsBack(['Half'], [' whole'])
    const { model, asked, count } = modelThat(behaviour, sumsUp)
    const { id } = await client.responses.create({ model, input: 'Hello', background: true })
    await asked(1)
    const leaving = new AbortController()
    const asking = { model, previous_response_id: id }
    const compacting = client.responses.compact(asking, { signal: leaving.signal })
    setTimeout(() => leaving.abort(), 100)
    await expect(compacting).rejects.toThrow('aborted')
    // The server sees that later than its client does.
    await pause(100)
    goOn()
    await server.events(`/v1/messages/${digitsOf(id)}/events`)
    await pause(100)
    expect(count()).toBe(1)
  })

  test('is refused where what it is to follow is deleted meanwhile', async () => {
    const { model, asked } = modelThat(hangs())
    const { id } = await client.responses.create({ model, input: 'Hello', background: true })
    await asked(1)
    const compacting = server.post('/v1/responses/compact', { model, previous_response_id: id })
    await pause(100)
    await client.responses.delete(id)
    const error = { code: 'previous_response_not_found' }
    expect(await compacting).toMatchObject({ status: 400, body: { error } })
  })

  test('is none where it was cancelled, whatever was said by then', async () => {
    const { model } = modelThat(fallsSilentAfter(['Alice likes ']))
    const compacting = server.post('/v1/responses/compact', { model, input: input.slice(0, 2) })
    const running = `/v1/replies?status=in_progress&model=${model}`
    const { id } = await until('being made', async () => (await server.get(running)).body.data[0])
    await server.post(`/v1/messages/${id}/cancel`)
    expect(await compacting).toMatchObject({ status: 409, body: { error: { code: 'cancelled' } } })
  })
})

describe('nothing is summed up', () => {
  test.each([
    ['where it is not too long', 'I like papaya.', 'Which fruit?'],
    ['of a question alone', undefined, long],
  ])('%s', async (_, said, question) => {
    const { model, count } = modelThat(echoes())
    const before = said === undefined ? [] : [{ role: 'user' as const, content: said }]
    const input = [...before, { role: 'user' as const, content: question }]
    const { output } = await client.responses.create({ model, input, context_management })
    expect(output.map(({ type }) => type)).toEqual(['message'])
    expect(count()).toBe(1)
  })

  test('that does not fit its model', async () => {
    await client.models.list()
    const said = { role: 'user' as const, content: 'I am sad. '.repeat(1_000) }
    const asked = {
      model: 'builtin/eliza',
      input: Array.from({ length: 20 }, () => said),
      context_management,
    }
    await expect(client.responses.create(asked)).rejects.toMatchObject({ code: 'context_length_exceeded' })
    const { output } = await client.responses.create({ ...asked, truncation: 'auto' })
    expect(output.map(({ type }) => type)).toEqual(['compaction', 'message'])
  })
})

describe('a model that fails', () => {
  const input = [
    { role: 'user' as const, content: long },
    { role: 'assistant' as const, content: 'Fine.' },
    { role: 'user' as const, content: 'Which fruit?' },
  ]

  test('to sum up is asked again, and what comes to nothing is told as that', async () => {
    const { model, count } = modelThat(refuses(500), sumsUp, echoes())
    expect((await client.responses.create({ model, input, context_management })).status).toBe('completed')
    expect(count()).toBe(3)
    const other = modelThat(refuses(400))
    const failing = client.responses.create({ model: other.model, input, context_management })
    await expect(failing).rejects.toMatchObject({ status: 400, code: 'provider_rejected' })
  })

  test('in the middle of summing up is asked again: no answer stands on a part of a summary', async () => {
    const { model, asked } = modelThat(endsEarlyAfter(['Alice likes ']), sumsUp, echoes())
    await client.responses.create({ model, input, context_management })
    expect((await asked(3)).messages[0]).toMatchObject({ content: expect.stringContaining('likes papaya.') })
  })

  test.each([
    ['too long', 'length', { status: 500, code: 'max_output_tokens' }],
    ['filtered', 'content_filter', { status: 400, code: 'content_filter' }],
  ])(
    'to sum up to the end because that is %s has no answer, and is not asked again',
    async (_, reason, error) => {
      const { model, count } = modelThat(says(['Alice likes '], { reason }), sumsUp, echoes())
      const failing = client.responses.create({ model, input, context_management })
      await expect(failing).rejects.toMatchObject(error)
      expect(count()).toBe(1)
    },
  )

  test('to answer does not have to sum up again, and readers are told the summary once', async () => {
    const { model, count } = modelThat(sumsUp, refuses(500), echoes())
    const stream = await client.responses.create({ model, input, context_management, stream: true })
    const events = await Array.fromAsync(stream)
    const added = events.flatMap((event) =>
      event.type === 'response.output_item.added' ? [event.item.type] : [],
    )
    expect(added).toEqual(['compaction', 'message'])
    const last = events.at(-1)
    if (last?.type !== 'response.completed') throw new Error('not completed')
    expect(last.response.usage).toMatchObject({ input_tokens: 1_507 })
    expect((await client.responses.retrieve(last.response.id)).output).toEqual(last.response.output)
    expect(count()).toBe(3)
  })

  test('to answer behind a summary leaves all of what was said: the next one is shown it, and counts it', async () => {
    const { model, asked } = modelThat(echoes(), sumsUp, refuses(400), echoes())
    const { id: conversation } = await client.conversations.create({
      items: [{ type: 'message', role: 'user', content: long }],
    })
    await client.responses.create({ model, conversation, input: 'Hello' })
    const failing = client.responses.create({ model, conversation, input: 'And?', context_management })
    await expect(failing).rejects.toMatchObject({ code: 'provider_rejected' })
    const { input_tokens } = await client.responses.inputTokens.count({ model, conversation })
    expect(input_tokens).toBeGreaterThan(1_000)
    await client.responses.create({ model, conversation, input: 'Which fruit?' })
    expect((await asked(4)).messages[0]).toMatchObject({ content: long })
  })
})
