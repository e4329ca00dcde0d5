import { expect, test } from 'vitest'
import type { ReplyEvent } from '../../src/events/event.ts'
import type { OpenReply } from '../../src/replies/open-store.ts'
import { beginningOf } from '../../src/replies/take-over.ts'
import { createTurns } from '../../src/replies/turn.ts'

const time = 1_000_000
const opensAt = time + 5_000
const models = ['shut/one', 'open/other']

const left: OpenReply = {
  id: 'reply',
  interactionId: 'interaction',
  position: 2,
  branch: 0,
  model: 'shut/one',
  models,
  tried: [],
  failures: 0,
  throttles: 0,
  options: { models, onCrash: 'continue' },
  status: 'in_progress',
  attempt: 1,
  crashes: 0,
  notBefore: null,
  waitingSince: null,
  slotAt: null,
}

function log(model: string, ...said: string[]): ReplyEvent[] {
  const begun = { sequence: 1, type: 'reply.started', data: JSON.stringify({ attempt: 1, model }) } as const
  const pieces = said.map((text, at) => {
    const data = JSON.stringify({ text })
    return { sequence: at + 2, type: 'text.delta', data } as const
  })
  return [begun, ...pieces]
}

/** What is done with a reply whose model may not be asked now. */
async function turnOf(events: ReplyEvent[], reply = left) {
  const done: object[] = []
  const takeTurn = createTurns({
    storage: { write: (work: (tx: unknown) => unknown) => work({}) },
    store: {
      move: async (_: unknown, { model }: { model: string }) => done.push({ movedTo: model }) > 0,
      putOff: async (_: unknown, { notBefore, slotAt }: { notBefore: number; slotAt: number | null }) =>
        done.push({ notBefore, ...(slotAt !== null && { slotAt }) }) > 0,
    },
    events: { read: async () => events },
    models: { resolve: (name: string) => ({ name, provider: { name } }) },
    facts: { askableAt: (name: string) => (name === 'shut/one' ? opensAt : 0) },
    jobOf: () => ({}),
    limits: { maxProviderFailures: 4, maxProviderWaitMs: 600_000, requestsPerMinute: new Map() },
    now: () => time,
    random: () => 0,
  } as unknown as Parameters<typeof createTurns>[0])
  await takeTurn(reply, beginningOf(reply, true, 5).keeps)
  return done
}

test('a model that is to go on with what it said is waited for, whoever else may answer', async () => {
  expect(await turnOf(log('shut/one', 'One '))).toEqual([{ notBefore: opensAt }])
})

test('where it said nothing, or begins anew anyway, the next one is asked', async () => {
  const toNext = [{ movedTo: 'open/other' }]
  expect(await turnOf(log('shut/one'))).toEqual(toNext)
  expect(await turnOf(log('open/other', 'One '))).toEqual(toNext)
  expect(await turnOf(log('shut/one', 'One '), { ...left, options: { models } })).toEqual(toNext)
})

test('a time that was agreed for is kept while its provider may not be asked, so that it can be taken back', async () => {
  const agreed = { ...left, models: ['shut/one'], slotAt: time }
  expect(await turnOf(log('shut/one'), agreed)).toEqual([{ notBefore: opensAt, slotAt: time }])
})
