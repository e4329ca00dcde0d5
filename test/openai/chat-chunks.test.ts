import { expect, test } from 'vitest'
import { createChunkFold } from '../../src/openai/chat/chunks.ts'
import type { ReplyEvent } from '../../src/events/event.ts'

type Told = Pick<ReplyEvent, 'type' | 'data'>
const text = (piece: string): Told => ({ type: 'text.delta', data: JSON.stringify({ text: piece }) })
const thought = (piece: string): Told => ({ type: 'reasoning.delta', data: JSON.stringify({ text: piece }) })
const restart: Told = { type: 'reply.restarted', data: '{"attempt":2}' }
const call: Told = { type: 'tool_call.started', data: '{"call_id":"c","name":"f"}' }
const end: Told = {
  type: 'reply.completed',
  data: '{"status":"completed","finish_reason":"stop","usage":null,"error":null}',
}

/** What a client has in the end: what was said, and the error that it met. */
function read(events: Told[]) {
  const options = { id: 'chatcmpl-1', created: 1, model: 'a/b', includesUsage: false }
  const fold = createChunkFold(options, ({ code }) => `data: {"error":"${code}"}\n\n`)
  const frames = events.map((event) => fold.framesOf(event)).join('')
  const chunks = frames
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => JSON.parse(frame.slice('data: '.length)))
  const said = (field: string) => chunks.map((chunk) => chunk.choices?.[0]?.delta[field] ?? '').join('')
  return {
    said: said('content'),
    thought: said('reasoning_content'),
    error: chunks.find((chunk) => chunk.error)?.error,
    isOver: fold.isOver,
  }
}

test.each([
  ['in the same pieces', [text('One '), text('"two"\n')]],
  ['in others', [text('O'), text('ne "tw'), text('o"\n')]],
  ['in one', [text('One "two"\n')]],
])('an attempt that says the same again goes on where the first was, %s', (_, again) => {
  const told = read([text('One '), text('"two"\n'), restart, ...again, text('three'), end])
  expect(told).toEqual({ said: 'One "two"\nthree', thought: '', error: undefined, isOver: true })
})

test('an attempt goes on also within a piece, and in what it thought', () => {
  const events = [thought('Hm. '), text('One'), restart, thought('Hm. Well.'), text('One two'), end]
  expect(read(events)).toMatchObject({ said: 'One two', thought: 'Hm. Well.', error: undefined })
})

test.each([
  ['says something else', [text('One '), restart, text('Two'), end]],
  ['says less', [text('One '), text('two'), restart, text('One '), end]],
  ['had called a tool', [call, restart, call, end]],
])('an attempt ends the stream where it %s', (_, events) => {
  expect(read(events)).toMatchObject({ error: 'restarted', isOver: true })
})

test('an attempt that begins anew before anything was said is not noticed', () => {
  expect(read([restart, text('One'), restart, text('One'), end])).toMatchObject({
    said: 'One',
    error: undefined,
  })
})
