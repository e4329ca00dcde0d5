import type { Client, Json, StreamEvent } from '../client.ts'
import { checkOrder, checkPositions, checkPost, checkReading, checkReply, type Finding } from './checks.ts'
import type { Attempted, Witness } from './witness.ts'

export interface Audit {
  /** What there was to see, and how often each thing was seen that should never be. */
  counts: Record<string, number>
  /** What should never be, in words: empty where all is well. */
  exceptions: string[]
}

const inParallel = 16
const kinds = [
  'lost',
  'there twice',
  'out of place',
  'position gap',
  'left open',
  'not completed',
  'event gap',
  'event repeated',
  'not one end',
  'text differs',
] as const

/**
 * Holds what clients were told against what is there. First waits for every reply to end, by following it as a
 * reader would that comes late; `withinMs` at most.
 */
export async function audit(client: Client, witness: Witness, withinMs: number): Promise<Audit> {
  const { attempted, readings, exceptions } = witness
  const late = AbortSignal.timeout(withinMs)
  const ids = [...new Set(attempted.map(({ interactionId }) => interactionId))]
  const begun = (await eachOf(ids, (id) => listMessages(client, id))).flat().filter(isReply)
  const logs = new Map(await eachOf(begun, async ({ id }) => [id, await readLog(client, id, late)] as const))
  const interactions = await eachOf(ids, (id) => listMessages(client, id))
  const messages = interactions.flat()
  const replies = messages.filter(isReply)
  const stored = new Map<string, Json>(messages.map((message) => [message.id, message]))
  const said = Map.groupBy(
    messages.filter(({ role }) => role === 'Human'),
    ({ text }) => String(text),
  )
  const questions = new Map(
    messages.map((message) => [placeOf(message.interaction_id, message.position), message]),
  )

  const findings: Finding[] = [
    ...attempted.flatMap((one) =>
      checkPost(one, said.get(one.content) ?? [], stored.get(one.told?.replyId ?? '')),
    ),
    ...checkOrder(attempted),
    ...interactions.flatMap(checkPositions),
    ...replies.flatMap((reply) =>
      checkReply(
        reply,
        questions.get(placeOf(reply.interaction_id, reply.position - 1)),
        logs.get(reply.id) ?? [],
      ),
    ),
    ...readings.flatMap((reading) => checkReading(reading, stored.get(reading.replyId))),
  ]
  const outcomes = (outcome: Attempted['outcome']) => attempted.filter((one) => one.outcome === outcome)
  return {
    counts: {
      'posts accepted': outcomes('accepted').length,
      'posts refused': outcomes('refused').length,
      'posts broken off': outcomes('unanswered').length,
      'of them stored': outcomes('unanswered').filter(({ content }) => said.has(content)).length,
      replies: replies.length,
      'of them restarted': replies.filter(({ attempt }) => attempt > 1).length,
      events: [...logs.values()].reduce((sum, log) => sum + log.length, 0),
      readers: readings.length,
      'their reconnections': readings.reduce((sum, { reconnects }) => sum + reconnects, 0),
      ...Object.fromEntries(
        kinds.map((kind) => [kind, findings.filter((finding) => finding.kind === kind).length]),
      ),
    },
    exceptions: [...exceptions, ...findings.map(({ kind, what }) => `${kind}: ${what}`)],
  }
}

function isReply({ role }: Json): boolean {
  return role === 'AI'
}

function placeOf(interactionId: string, position: number): string {
  return `${interactionId} ${position}`
}

async function listMessages(client: Client, interactionId: string): Promise<Json[]> {
  const messages: Json[] = []
  for (let after = ''; ;) {
    const { body } = await client.get(`/v1/interactions/${interactionId}/messages?limit=100${after}`)
    messages.push(...body.data)
    if (!body.has_more) return messages
    after = `&after=${body.next}`
  }
}

async function readLog(client: Client, replyId: string, late: AbortSignal): Promise<StreamEvent[]> {
  const { events, close } = await client.open(`/v1/messages/${replyId}/events`)
  late.addEventListener('abort', close)
  if (late.aborted) close()
  const log = await Array.fromAsync(events)
  late.removeEventListener('abort', close)
  return log
}

/** Asks for each of `items`, a few at a time; the answers in their order. */
async function eachOf<Item, Answer>(items: Item[], ask: (item: Item) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  const rest = items.entries()
  await Promise.all(
    Array.from({ length: inParallel }, async () => {
      for (const [index, item] of rest) answers[index] = await ask(item)
    }),
  )
  return answers
}
