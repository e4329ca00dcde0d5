import { describe, expect, test } from 'vitest'
import type { EventType, ReplyEvent } from '../../src/events/event.ts'
import type { Message } from '../../src/messages/message.ts'
import { createFold, type ResponseEvent } from '../../src/openai/responses/fold.ts'
import { outputItems } from '../../src/openai/items.ts'
import { responseWith } from '../../src/openai/responses/view.ts'
import { toldAttemptIn } from '../../src/replies/retelling.ts'
import { saidIn } from '../../src/replies/said.ts'

type Step = [type: EventType, data: object]

const id = '01a20405-08f2-7104-8002-834c9b3964dd'
const digits = id.replaceAll('-', '')
const reply = { id, createdAt: 0, interactionId: id, model: 'a/b', isBackground: false }

const started = (attempt = 1): Step => [
  attempt === 1 ? 'reply.started' : 'reply.restarted',
  { attempt, model: 'a/b' },
]
const text = (said: string): Step => ['text.delta', { text: said }]
const thought = (said: string): Step => ['reasoning.delta', { text: said }]
const sealed = (said: string, signature: string): Step => [
  'reasoning.sealed',
  { text: said, provider: { lab: { signature } } },
]
const summary = (said: string): Step => ['compaction.done', { summary: said, question: 'Q' }]
const ended = (status: 'completed' | 'incomplete' | 'failed' | 'cancelled', attempt = 1): Step => [
  `reply.${status}`,
  { status, attempt, finish_reason: null, usage: null, error: null },
]
const call = (callId: string, args: string[]): Step[] => [
  ['tool_call.started', { call_id: callId, name: 'look' }],
  ...args.map((each): Step => ['tool_call.delta', { call_id: callId, arguments: each }]),
  ['tool_call.done', { call_id: callId, name: 'look', arguments: args.join('') }],
]

function logOf(steps: Step[]): ReplyEvent[] {
  return steps.map(([type, data], index) => ({ sequence: index + 1, type, data: JSON.stringify(data) }))
}

function fold(steps: Step[]): ResponseEvent[] {
  const { begin, add } = createFold(reply, (making, output) => responseWith(reply, making, {}, output))
  return [...begin(), ...logOf(steps).flatMap((event) => add(event))]
}

interface Told {
  item_id?: string
  item?: { id: string }
  delta?: string
}

/** `type item delta` of each event, without its `response.`. */
function told(steps: Step[]): string[] {
  return fold(steps).map((event) => {
    const { item_id: itemId, item, delta = '' } = event as Told
    const words = [event.type.replace('response.', ''), itemId ?? item?.id ?? '', delta]
    return words
      .filter((word) => word !== '')
      .join(' ')
      .replace(`_${digits}`, '')
  })
}

const cases: Array<[name: string, steps: Step[], expected: string[]]> = [
  [
    'thoughts, a text and a call are items of their own',
    [started(), thought('Hm'), text('A'), text('B'), ...call('c', ['{', '}']), ended('completed')],
    [
      'output_item.added rs',
      'reasoning_summary_part.added rs',
      'reasoning_summary_text.delta rs Hm',
      'reasoning_summary_text.done rs',
      'reasoning_summary_part.done rs',
      'output_item.done rs',
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg A',
      'output_text.delta msg B',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'output_item.added fc',
      'function_call_arguments.delta fc {',
      'function_call_arguments.delta fc }',
      'function_call_arguments.done fc',
      'output_item.done fc',
      'completed',
    ],
  ],
  [
    'an attempt that says the same again goes on where the one before it was',
    [started(), text('Hello '), text('Al'), started(2), text('Hel'), text('lo Alice'), ended('completed', 2)],
    [
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg Hello ',
      'output_text.delta msg Al',
      'output_text.delta msg ice',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'completed',
    ],
  ],
  [
    'one that says something else is told whole, in an item of its own',
    [started(), text('Hello Al'), started(2), text('Hello '), text('Bob'), ended('completed', 2)],
    [
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg Hello Al',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'output_item.added msg_r2',
      'content_part.added msg_r2',
      'output_text.delta msg_r2 Hello ',
      'output_text.delta msg_r2 Bob',
      'output_text.done msg_r2',
      'content_part.done msg_r2',
      'output_item.done msg_r2',
      'completed',
    ],
  ],
  [
    'one that says less is told whole too',
    [started(), text('Hello Al'), started(2), text('Hello'), ended('completed', 2)],
    [
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg Hello Al',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'output_item.added msg_r2',
      'content_part.added msg_r2',
      'output_text.delta msg_r2 Hello',
      'output_text.done msg_r2',
      'content_part.done msg_r2',
      'output_item.done msg_r2',
      'completed',
    ],
  ],
  [
    'a call is never taken for the one before it',
    [started(), ...call('c1', ['{}']), started(2), ...call('c2', ['{}']), ended('completed', 2)],
    [
      'output_item.added fc',
      'function_call_arguments.delta fc {}',
      'function_call_arguments.done fc',
      'output_item.done fc',
      'output_item.added fc_r2',
      'function_call_arguments.delta fc_r2 {}',
      'function_call_arguments.done fc_r2',
      'output_item.done fc_r2',
      'completed',
    ],
  ],
  [
    'thoughts that follow each other are one item, with what is sealed of each',
    [
      started(),
      thought('Hm'),
      thought('Ah'),
      sealed('Hm', '1'),
      sealed('Ah', '2'),
      sealed('', '3'),
      ended('completed'),
    ],
    [
      'output_item.added rs',
      'reasoning_summary_part.added rs',
      'reasoning_summary_text.delta rs Hm',
      'reasoning_summary_text.delta rs Ah',
      'reasoning_summary_text.done rs',
      'reasoning_summary_part.done rs',
      'output_item.done rs',
      'completed',
    ],
  ],
  [
    'a thought that is only sealed parts what stands around it',
    [started(), text('A'), sealed('', '1'), text('B'), ended('completed')],
    [
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg A',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'output_item.added rs',
      'output_item.done rs',
      'output_item.added msg_1',
      'content_part.added msg_1',
      'output_text.delta msg_1 B',
      'output_text.done msg_1',
      'content_part.done msg_1',
      'output_item.done msg_1',
      'completed',
    ],
  ],
  [
    'a thought that is signed otherwise is told anew, with its words',
    [
      started(),
      thought('Hm'),
      sealed('Hm', '1'),
      started(2),
      thought('Hm'),
      sealed('Hm', '2'),
      text('A'),
      ended('completed', 2),
    ],
    [
      'output_item.added rs',
      'reasoning_summary_part.added rs',
      'reasoning_summary_text.delta rs Hm',
      'reasoning_summary_text.done rs',
      'reasoning_summary_part.done rs',
      'output_item.done rs',
      'output_item.added rs_r2',
      'reasoning_summary_part.added rs_r2',
      'reasoning_summary_text.delta rs_r2 Hm',
      'reasoning_summary_text.done rs_r2',
      'reasoning_summary_part.done rs_r2',
      'output_item.done rs_r2',
      'output_item.added msg_r2',
      'content_part.added msg_r2',
      'output_text.delta msg_r2 A',
      'output_text.done msg_r2',
      'content_part.done msg_r2',
      'output_item.done msg_r2',
      'completed',
    ],
  ],
  [
    'what is signed the same goes on',
    [
      started(),
      sealed('', '1'),
      sealed('', '2'),
      started(2),
      sealed('', '1'),
      sealed('', '2'),
      text('A'),
      ended('completed', 2),
    ],
    [
      'output_item.added rs',
      'output_item.done rs',
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg A',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'completed',
    ],
  ],
  [
    'a summary is an item of its own, and what is told once stays',
    [started(), summary('S'), text('A'), started(2), summary('S'), text('AB'), ended('completed', 2)],
    [
      'output_item.added cmp',
      'output_item.done cmp',
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg A',
      'output_text.delta msg B',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'completed',
    ],
  ],
  [
    'a summary goes with the answer that is told anew',
    [started(), summary('S'), text('A'), started(2), summary('S'), text('B'), ended('completed', 2)],
    [
      'output_item.added cmp',
      'output_item.done cmp',
      'output_item.added msg',
      'content_part.added msg',
      'output_text.delta msg A',
      'output_text.done msg',
      'content_part.done msg',
      'output_item.done msg',
      'output_item.added cmp_r2',
      'output_item.done cmp_r2',
      'output_item.added msg_r2',
      'content_part.added msg_r2',
      'output_text.delta msg_r2 B',
      'output_text.done msg_r2',
      'content_part.done msg_r2',
      'output_item.done msg_r2',
      'completed',
    ],
  ],
  ['what failed before it began tells nothing but that', [started(), ended('failed')], ['failed']],
  ['what was cancelled while it waited ends as incomplete', [ended('cancelled')], ['incomplete']],
]

describe('the events of a response', () => {
  test.each(cases)('%s', (_, steps, expected) => {
    expect(told(steps)).toEqual(['created', 'in_progress', ...expected])
  })

  test.each(cases)('are numbered without gaps, and end with what is stored: %s', (_, steps) => {
    const events = fold(steps)
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_event, index) => index))
    const [, { status }] = steps.at(-1) as [string, { status: 'completed' }]
    const log = logOf(steps)
    const toldAttempt = toldAttemptIn(log, status === 'completed')
    const making = { status, toldAttempt } as NonNullable<Message['making']>
    const content = saidIn(log)
    const stored = outputItems({ id, content, metadata: {}, making } as unknown as Message, { sealed: true })
    expect(events.at(-1)).toMatchObject({ response: { output: stored } })
  })

  test.each(cases)('are the same wherever the log was cut: %s', (_, steps) => {
    const whole = fold(steps)
    for (let cut = 0; cut < steps.length; cut += 1) {
      const part = fold(steps.slice(0, cut))
      expect(part).toEqual(whole.slice(0, part.length))
    }
  })

  test('each item is told under an index of its own', () => {
    const events = fold(cases[2]?.[1] ?? [])
    const added = events.filter(({ type }) => type === 'response.output_item.added')
    expect(added.map((event) => event['output_index'])).toEqual([0, 1])
    const done = events.filter(({ type }) => type === 'response.output_item.done')
    expect(done.map((event) => (event['item'] as { status: string }).status)).toEqual([
      'incomplete',
      'completed',
    ])
  })
})
