import { expect, test } from 'vitest'
import { addTo, type NewEvent } from '../../src/events/event.ts'

test('pieces that wait together become one event, but never those of two calls, or of two kinds', () => {
  const text = (piece: string): NewEvent => ({ type: 'text.delta', data: { text: piece } })
  const call = (call_id: string, piece: string): NewEvent => ({
    type: 'tool_call.delta',
    data: { call_id, arguments: piece },
  })
  const refusal: NewEvent = { type: 'refusal.delta', data: { text: 'No.' } }
  const started: NewEvent = { type: 'tool_call.started', data: { call_id: 'a', name: 'f' } }
  const waiting: NewEvent[] = []
  for (const event of [text('Hel'), text('lo'), refusal, started, started]) addTo(waiting, event)
  for (const event of [call('a', '{'), call('a', '}'), call('b', '{}'), call('a', ' ')]) addTo(waiting, event)
  expect(waiting).toEqual([
    text('Hello'),
    refusal,
    started,
    started,
    call('a', '{}'),
    call('b', '{}'),
    call('a', ' '),
  ])
})
