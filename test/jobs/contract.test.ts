import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Job, Jobs, Look } from '../../src/jobs/jobs.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { engine } from '../support/database.ts'
import { openJobs } from '../support/jobs.ts'
import { type OpenStorage, openStorage } from '../support/storage.ts'
import { until } from '../support/until.ts'

describe(`jobs on ${engine}`, () => {
  let opened: OpenStorage
  let storage: Storage
  let jobs: Jobs
  let errors: unknown[]
  /** What was looked at, in order, and what is being looked at now. */
  let looked: string[]
  let running: Map<string, { job: Job; stopping: AbortSignal; end: (next?: Job) => void }>

  beforeEach(async () => {
    opened = await openStorage()
    storage = opened.storage
    errors = []
    looked = []
    running = new Map()
  })
  afterEach(async () => {
    for (const { end } of running.values()) end()
    await jobs.stop(0)
    await opened.remove()
  })

  /** Looks at each job until the test ends it. */
  const patient: Look = async (job, stopping) => {
    looked.push(job.interactionId)
    const { promise, resolve } = Promise.withResolvers<Job | undefined>()
    running.set(job.interactionId, { job, stopping, end: resolve })
    stopping.addEventListener('abort', () => resolve(undefined))
    const next = await promise
    running.delete(job.interactionId)
    return next
  }

  async function begin(
    look: Look = patient,
    limits: { maxRunning?: number; maxRunningPerGroup?: number } = {},
  ) {
    const { maxRunning = 100, maxRunningPerGroup = 100 } = limits
    const onError = (error: unknown) => void errors.push(error)
    jobs = await openJobs(opened, { maxRunning, maxRunningPerGroup, onError })
    jobs.start(look)
  }

  /** One after the other: what one transaction enqueues has no order. */
  async function enqueue(...list: Job[]) {
    for (const given of list) await storage.write((tx) => jobs.enqueue(tx, given))
  }
  const job = (interactionId: string, group = 'one'): Job => ({ interactionId, group })
  const isRunning = (id: string) => until(`looking at ${id}`, () => running.get(id))

  test('a job is looked at once its transaction is committed', async () => {
    await begin()
    await storage.write(async (tx) => {
      await jobs.enqueue(tx, job('a'))
      expect(looked).toEqual([])
    })
    expect((await isRunning('a')).job).toMatchObject(job('a'))
  })

  test('it is known for which interactions there is no job, waiting or running', async () => {
    await begin(patient, { maxRunningPerGroup: 1 })
    await enqueue(job('runs'), job('waits'), { ...job('later', 'two'), notBefore: Date.now() + 60_000 })
    await isRunning('runs')
    const ids = ['runs', 'waits', 'later', 'none']
    expect(await jobs.withoutJob(ids)).toEqual(new Set(['none']))
    running.get('runs')?.end()
    await isRunning('waits')
    await until('without a job', async () => (await jobs.withoutJob(ids)).has('runs'))
  })

  test('a job of what was rolled back is never looked at', async () => {
    await begin()
    await storage
      .write(async (tx) => {
        await jobs.enqueue(tx, job('a'))
        throw new Error('no')
      })
      .catch(() => {})
    await enqueue(job('b'))
    await isRunning('b')
    expect(looked).toEqual(['b'])
  })

  test('jobs that come before the start are kept for it', async () => {
    await begin()
    await jobs.stop(0)
    jobs = await openJobs(opened, { maxRunning: 1, maxRunningPerGroup: 1, onError: () => {} })
    await storage.write((tx) => jobs.enqueue(tx, job('a')))
    jobs.start(patient)
    await isRunning('a')
  })

  test('two jobs of one interaction never run at the same time; the second is not forgotten', async () => {
    await begin()
    await enqueue(job('a'))
    const first = await isRunning('a')
    await enqueue(job('a'), job('a'))
    expect(looked).toEqual(['a'])
    first.end()
    await until('again', () => looked.length === 2)
    expect(looked).toEqual(['a', 'a'])
  })

  test('a look that says when to look again is taken at its word', async () => {
    await begin()
    await enqueue(job('a'))
    const notBefore = Date.now() + 60
    ;(await isRunning('a')).end({ ...job('a'), notBefore })
    await until('again', () => looked.length === 2)
    expect(Date.now()).toBeGreaterThanOrEqual(notBefore)
  })

  test('the earlier of two times counts', async () => {
    await begin()
    const soon = Date.now() + 40
    await enqueue({ ...job('a'), notBefore: Date.now() + 60_000 }, { ...job('a'), notBefore: soon })
    await isRunning('a')
    expect(Date.now()).toBeGreaterThanOrEqual(soon)
    await enqueue({ ...job('b'), notBefore: Date.now() + 60_000 }, job('b'))
    await isRunning('b')
  })

  test('jobs of a group run in the order of their coming, no more than the group may', async () => {
    await begin(patient, { maxRunningPerGroup: 2 })
    await enqueue(...['a', 'b', 'c', 'd'].map((id) => job(id)), job('x', 'other'))
    await isRunning('x')
    expect(looked).toEqual(['a', 'b', 'x'])
    expect(jobs.waiting).toBe(2)
    ;(await isRunning('b')).end()
    await isRunning('c')
    ;(await isRunning('a')).end()
    await isRunning('d')
    expect(looked).toEqual(['a', 'b', 'x', 'c', 'd'])
    expect(jobs.waiting).toBe(0)
  })

  test('all groups together run no more than may run at all', async () => {
    await begin(patient, { maxRunning: 1 })
    await enqueue(job('a'), job('x', 'other'))
    const first = await isRunning('a')
    expect(looked).toEqual(['a'])
    first.end()
    await isRunning('x')
  })

  test('the oldest runs first, whatever its group: one that has many jobs holds up no other', async () => {
    await begin(patient, { maxRunning: 1 })
    await enqueue(job('a'), job('b'), job('x', 'other'), job('c'), job('y', 'other'))
    for (const id of ['a', 'b', 'x', 'c', 'y']) (await isRunning(id)).end()
    expect(looked).toEqual(['a', 'b', 'x', 'c', 'y'])
  })

  test('what waits for its time is counted as waiting', async () => {
    await begin()
    await enqueue({ ...job('a'), notBefore: Date.now() + 60_000 })
    expect(jobs.waiting).toBe(1)
  })

  test('a look that throws is told, and takes nobody along', async () => {
    await begin(
      async (given, stopping) => {
        if (given.interactionId === 'a') throw new Error('broken')
        return patient(given, stopping)
      },
      { maxRunningPerGroup: 1 },
    )
    await enqueue(job('a'), job('b'))
    await isRunning('b')
    expect(errors).toEqual([new Error('broken')])
  })

  test('stopping gives what runs its time, and begins nothing new', async () => {
    await begin(patient, { maxRunningPerGroup: 1 })
    await enqueue(job('a'), job('b'))
    const { end, stopping } = await isRunning('a')
    const stopped = jobs.stop(60_000)
    await enqueue(job('c', 'other'))
    expect(stopping.aborted).toBe(false)
    end(job('a'))
    await stopped
    expect(looked).toEqual(['a'])
  })

  test('stopping tells what runs on to come to an end, and waits for that', async () => {
    await begin()
    await enqueue(job('a'))
    const { stopping } = await isRunning('a')
    await jobs.stop(10)
    expect(stopping.aborted).toBe(true)
    expect(running.size).toBe(0)
  })
})
