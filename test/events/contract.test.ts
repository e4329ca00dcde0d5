import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ReplyEvent } from '../../src/events/event.ts'
import { createEventLog, type EventLog } from '../../src/events/log.ts'
import { createEventStore } from '../../src/events/store.ts'
import { type EventWriter, LostClaim } from '../../src/events/writer.ts'
import { newId } from '../../src/ids.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { engine } from '../support/database.ts'
import { insertReply, openStorage, takeOver } from '../support/storage.ts'
import { until } from '../support/until.ts'

describe(`the event log on ${engine}`, () => {
  let storage: Storage
  let remove: () => Promise<void>
  let events: EventLog
  const never = new AbortController().signal

  beforeEach(async () => {
    ;({ storage, remove } = await openStorage())
    events = createEventLog({
      storage,
      store: createEventStore(storage),
      now: () => 1,
      log: pino({ level: 'silent' }),
    })
  })
  afterEach(() => remove())

  const delta = (text: string) => ({ type: 'text.delta' as const, data: { text } })
  const end = { type: 'reply.completed' as const, data: {} }
  const textOf = (list: ReplyEvent[]) =>
    list.map(({ data }) => (JSON.parse(data) as { text?: string }).text ?? '.').join('')

  /** A reply with a writer of its first attempt, and why that lost its claim. */
  async function begin() {
    const id = newId()
    const log = await insertReply(storage, id)
    const lost: unknown[] = []
    const openWriter = (attempt: number, next = 1) =>
      events.openWriter({ replyId: id, attempt, place: { log, next }, onLost: (why) => lost.push(why) })
    return { id, log, lost, openWriter, writer: openWriter(1) }
  }

  async function settle(id: string, writer: EventWriter) {
    const { rest, place } = await writer.finish()
    await storage.write((tx) => events.append(tx, id, [...rest, end], place))
  }

  const readAll = (id: string, after = 0) => events.read(id, after, 1_000)
  const followAll = async (id: string, after = 0) =>
    (await Array.fromAsync(events.follow(id, after, never))).flat()

  test('what is appended in a transaction is there with it, numbered on', async () => {
    const { id, log } = await begin()
    const next = await storage.write((tx) =>
      events.append(tx, id, [delta('a'), delta('b')], { log, next: 1 }),
    )
    expect(next).toEqual({ log, next: 3 })
    expect(await storage.write((tx) => events.endOf(tx, log))).toEqual(next)
    expect((await readAll(id)).map(({ sequence }) => sequence)).toEqual([1, 2])
    expect(textOf(await readAll(id, 1))).toBe('b')
    expect(textOf(await events.read(id, 0, 1))).toBe('a')
  })

  test('what was rolled back reaches nobody', async () => {
    const { id, log } = await begin()
    const seen = followAll(id)
    await storage
      .write(async (tx) => {
        await events.append(tx, id, [delta('a'), end], { log, next: 1 })
        throw new Error('no')
      })
      .catch(() => {})
    await storage.write((tx) => events.append(tx, id, [delta('b'), end], { log, next: 1 }))
    expect(textOf(await seen)).toBe('b.')
  })

  test('a writer writes in order and without gaps, however fast it is told', async () => {
    const { id, writer } = await begin()
    const letters = Array.from({ length: 2_000 }, (_, index) => `${index} `)
    for (const [index, text] of letters.entries()) {
      await writer.add(delta(text))
      if (index % 100 === 0) await new Promise(setImmediate)
    }
    await settle(id, writer)
    const written = await readAll(id)
    expect(textOf(written)).toBe(`${letters.join('')}.`)
    expect(written.map(({ sequence }) => sequence)).toEqual(written.map((_, index) => index + 1))
  })

  test('no reader gets an event before it is durable', async () => {
    const { id, writer } = await begin()
    await writer.add(delta('a'))
    for await (const batch of events.follow(id, 0, never)) {
      expect(await readAll(id)).toEqual(expect.arrayContaining(batch))
      break
    }
  })

  test('the last of it waits for the transaction that settles the reply', async () => {
    const { id, writer } = await begin()
    await writer.add(delta('a'))
    await until('written', async () => (await readAll(id)).length === 1)
    await writer.add(delta('b'))
    const { rest, place } = await writer.finish()
    expect(rest).toEqual([delta('b')])
    expect(place.next).toBe(2)
    expect(textOf(await readAll(id))).toBe('a')
  })

  test('a writer that lost its claim writes nothing more, and is told so', async () => {
    const { id, lost, openWriter, writer } = await begin()
    await writer.add(delta('mine'))
    await until('written', async () => (await readAll(id)).length === 1)
    await takeOver(storage, id)
    const next = openWriter(2, 2)
    await next.add(delta('theirs'))
    await writer.add(delta('too late'))
    await until('told', () => lost.length === 1)
    await writer.add(delta('much too late'))
    await expect(writer.finish()).rejects.toBeInstanceOf(LostClaim)
    await settle(id, next)
    expect(textOf(await readAll(id))).toBe('minetheirs.')
    expect(lost[0]).toBeInstanceOf(LostClaim)
  })

  test('one that lost its claim takes no other writer along', async () => {
    const [one, other] = [await begin(), await begin()]
    await takeOver(storage, one.id)
    await one.writer.add(delta('no'))
    await other.writer.add(delta('yes'))
    await until('written', async () => (await readAll(other.id)).length === 1)
    expect(await readAll(one.id)).toEqual([])
    expect(other.lost).toEqual([])
  })

  test.skipIf(engine === 'sqlite')(
    'nor does one whose place somebody has taken in the middle of its commit (on SQLite, nobody can)',
    async () => {
      const [one, other] = [await begin(), await begin()]
      await storage.write((tx) => events.append(tx, one.id, [delta('theirs')], { log: one.log, next: 1 }))
      // While this one is committed, the others gather.
      void other.writer.add(delta('yes '))
      void one.writer.add(delta('no'))
      void one.writer.add({ type: 'reasoning.delta', data: { text: 'no' } })
      void other.writer.add(delta('again'))
      await until('written', async () => textOf(await readAll(other.id)) === 'yes again')
      expect(textOf(await readAll(one.id))).toBe('theirs')
      await expect(one.writer.finish()).rejects.toBeInstanceOf(LostClaim)
      expect([one.lost.length, other.lost.length]).toEqual([1, 0])
    },
  )

  test('a reader that follows misses nothing between the log and what comes live', async () => {
    const { id, writer } = await begin()
    const readers: Array<Promise<ReplyEvent[]>> = []
    for (let index = 0; index < 300; index += 1) {
      await writer.add(delta(`${index} `))
      if (index % 10 === 0) readers.push(followAll(id))
      await new Promise(setImmediate)
    }
    await settle(id, writer)
    const written = await readAll(id)
    for (const seen of await Promise.all(readers)) expect(seen).toEqual(written)
  })

  test('a reader far behind reads from the log what was not kept for it', async () => {
    const { id, log } = await begin()
    const slow = events.follow(id, 0, never)
    await storage.write((tx) => events.append(tx, id, [delta('first')], { log, next: 1 }))
    const seen = [...((await slow.next()).value as ReplyEvent[])]
    let next = 2
    for (let batch = 0; batch < 20; batch += 1) {
      const more = Array.from({ length: 100 }, (_, index) => delta(`${next + index} `))
      ;({ next } = await storage.write((tx) => events.append(tx, id, more, { log, next })))
    }
    await storage.write((tx) => events.append(tx, id, [end], { log, next }))
    for await (const batch of slow) seen.push(...batch)
    expect(seen.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 2_002 }, (_, index) => index + 1),
    )
  })

  test.each([500, 1_000])('an end that is event %i, and not the last one, ends nobody', async (endAt) => {
    const { id, log } = await begin()
    const early = followAll(id)
    const words = Array.from({ length: endAt - 1 }, () => delta('a'))
    const requeued = { type: 'reply.requeued' as const, data: {} }
    const next = await storage.write((tx) =>
      events.append(tx, id, [...words, end, requeued, delta('b')], { log, next: 1 }),
    )
    const late = followAll(id)
    const atTheEnd = followAll(id, endAt)
    await storage.write((tx) => events.append(tx, id, [end], next))
    const all = Array.from({ length: endAt + 3 }, (_, index) => index + 1)
    expect((await early).map(({ sequence }) => sequence)).toEqual(all)
    expect((await late).map(({ sequence }) => sequence)).toEqual(all)
    expect((await atTheEnd).map(({ sequence }) => sequence)).toEqual(all.slice(endAt))
    expect((await followAll(id)).length).toBe(all.length)
  })

  test('a reader who is still at the end when the reply is requeued, goes on to the next end', async () => {
    const { id, log } = await begin()
    const next = await storage.write((tx) => events.append(tx, id, [end], { log, next: 1 }))
    const reader = events.follow(id, 0, never, true)
    const typesOfNext = async () => ((await reader.next()).value as ReplyEvent[]).map(({ type }) => type)
    expect(await typesOfNext()).toEqual(['reply.completed'])
    const requeued = { type: 'reply.requeued' as const, data: {} }
    const last = await storage.write((tx) => events.append(tx, id, [requeued], next))
    expect(await typesOfNext()).toEqual(['reply.requeued'])
    const rest = reader.next()
    await storage.write((tx) => events.append(tx, id, [delta('a'), end], last))
    expect(textOf((await rest).value as ReplyEvent[])).toBe('a.')
    expect((await reader.next()).done).toBe(true)
  })

  test('following ends with the reply, when the reader leaves, and when the reply is removed', async () => {
    const [ended, left, removed] = [await begin(), await begin(), await begin()]
    const leave = new AbortController()
    const reads = [
      followAll(ended.id),
      Array.fromAsync(events.follow(left.id, 0, leave.signal)),
      followAll(removed.id),
    ]
    await settle(ended.id, ended.writer)
    leave.abort()
    events.end(removed.id)
    expect((await Promise.all(reads)).map((seen) => seen.length)).toEqual([1, 0, 0])
  })
})
